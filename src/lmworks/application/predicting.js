// Send a file, tell how far its rows are, show the first of them.
const form = document.querySelector("#ask");
const [begin, stop, state, result, rows, file] = ["begin", "stop", "state", "result", "rows", "file"].map((id) => document.getElementById(id));

function element(name, text = "", attributes = {}) {
  const made = document.createElement(name);
  made.textContent = text;
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

function say(text, isFault = false) {
  state.replaceChildren(...text.split("\n").filter(Boolean).map((line) => element("p", line, isFault ? { class: "absent" } : {})));
}

async function json(response) {
  const isJson = response.headers.get("content-type")?.includes("json");
  const found = isJson ? await response.json() : {};
  if (!response.ok) throw new Error(typeof found.error === "string" ? found.error : `The application answers ${response.status}; it may have been started again, under another address.`);
  return found;
}

async function ask(values) {
  const chosen = values.get("file");
  const query = new URLSearchParams({ model: values.get("model"), text: values.get("text"), name: chosen.name });
  if (values.has("continue")) query.set("continue", "");
  say(`Sending ${chosen.name} …`);
  const { job } = await json(await fetch(`?${query}`, { method: "POST", body: chosen }));
  const place = `jobs/${job}`;
  stop.onclick = () => fetch(place, { method: "DELETE" });
  stop.hidden = false;
  for (;;) {
    const now = await json(await fetch(place));
    if (now.ended) return show(now, `${place}/file`);
    say(now.rows ? `${now.rows.toLocaleString()} rows answered` : now.waits ? "Waiting for the file before it …" : "Opening the model …");
    await new Promise((done) => setTimeout(done, 500));
  }
}

function show(now, address) {
  say(now.said || `${now.rows.toLocaleString()} rows answered`, Boolean(now.said));
  if (!now.file) return;
  file.href = address;
  const head = element("tr");
  head.append(...now.columns.map((name) => element("th", name, { scope: "col" })));
  const lines = now.first.map((cells) => {
    const line = element("tr");
    line.append(...cells.map((cell) => element("td", cell)));
    return line;
  });
  rows.replaceChildren(element("caption", `The first ${lines.length} of ${now.rows.toLocaleString()} rows`), head, ...lines);
  result.hidden = false;
}

// What takes no chats goes on from texts anyway, or from none.
function offer() {
  const choice = document.getElementById("continue");
  choice.hidden = !("chats" in form.elements.model.selectedOptions[0].dataset);
  if (choice.hidden) choice.querySelector("input").checked = false;
}

form?.elements.model.addEventListener("change", offer);
if (form) offer();
form?.addEventListener("submit", async (event) => {
  event.preventDefault();
  result.hidden = true;
  begin.disabled = true;
  try {
    await ask(new FormData(form));
  } catch (error) {
    say(error instanceof TypeError ? "The application does not answer: it may have ended." : error.message, true);
  } finally {
    begin.disabled = false;
    stop.hidden = true;
  }
});
if (begin) begin.disabled = false; // before, the browser would send the form by itself
