// What the browser keeps: a chat as long as its tab (sessionStorage), settings for longer (localStorage).
// Either can be switched off or full; the page works without.

export function keep(storage, key, value) {
  try {
    window[storage].setItem(key, JSON.stringify(value));
    return true;
  } catch {
    return false;
  }
}

export function recall(storage, key) {
  try {
    return JSON.parse(window[storage].getItem(key));
  } catch {
    return null;
  }
}
