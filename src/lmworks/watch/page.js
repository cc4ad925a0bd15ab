// Renew the page in place: a chart that has the focus, or was scrolled, keeps both.
const parts = (page) => [...page.querySelectorAll("main :is(header, figure, ul)")];
setInterval(async () => {
  const answer = await fetch(location.href);
  if (!answer.ok) return;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const [old, fresh] = [parts(document), parts(page)];
  if (old.length !== fresh.length) return document.querySelector("main").replaceWith(page.querySelector("main"));
  for (const [index, part] of old.entries()) part.replaceChildren(...fresh[index].childNodes);
}, 2000);
