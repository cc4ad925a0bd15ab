// From files to a build, and from a question to its answer.
const state = document.getElementById("state");

function say(text, isFault = false) {
  const line = document.createElement("p");
  line.textContent = text;
  if (isFault) line.className = "absent";
  state.replaceChildren(...(text ? [line] : []));
}

async function json(response) {
  const isJson = response.headers.get("content-type")?.includes("json");
  const found = isJson ? await response.json() : {};
  if (!response.ok) throw new Error(found.error ?? `The application answers ${response.status}.`);
  return found;
}

const send = (place, value) => fetch(place, { method: "POST", body: JSON.stringify(value) }).then(json);

// Run what a form does once at a time, and tell what goes wrong.
function handle(id, work) {
  const form = document.getElementById(id);
  if (!form) return;
  const button = form.querySelector("button");
  button.disabled = false;
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    button.disabled = true;
    try {
      await work(new FormData(form), form);
    } catch (error) {
      say(error instanceof TypeError ? "The application does not answer: it may have ended." : error.message, true);
    } finally {
      button.disabled = false;
    }
  });
}

async function look(path) {
  say("Looking at the files …");
  location.href = (await send("look", { path })).to;
}

handle("folder", (values) => look(values.get("path")));

handle("files", async (values) => {
  const folder = crypto.getRandomValues(new Uint8Array(8)).reduce((text, byte) => text + byte.toString(16).padStart(2, "0"), "");
  let path = "";
  for (const file of values.getAll("files").filter((each) => each.name)) {
    say(`Sending ${file.name} …`);
    const query = new URLSearchParams({ folder, name: file.name });
    ({ path } = await json(await fetch(`files?${query}`, { method: "POST", body: file })));
  }
  if (!path) throw new Error("Choose a file first.");
  await look(path);
});

handle("build", async (values) => {
  say("Writing the recipe …");
  await send("build", Object.fromEntries(values));
  location.reload();
});

handle("ask", async (values, form) => {
  const { to, model } = form.dataset;
  say("Answering …");
  const query = new URLSearchParams({ model, text: "text", name: "question.jsonl" });
  const { job } = await json(await fetch(`${to}?${query}`, { method: "POST", body: JSON.stringify({ text: values.get("text") }) }));
  for (;;) {
    const now = await json(await fetch(`${to}jobs/${job}`));
    if (now.ended) return answer(now, now.file && (await (await fetch(`${to}jobs/${job}/file`)).json()));
    await new Promise((done) => setTimeout(done, 300));
  }
});

function answer(now, row) {
  say(now.said, true);
  const pairs = Object.entries(row || {}).filter(([name, value]) => name.startsWith("predicted_") && !name.endsWith("finish_reason") && value !== null);
  document.getElementById("answer").replaceChildren(
    ...pairs.map(([name, value]) => {
      const [pair, head, said] = ["div", "h3", "p"].map((tag) => document.createElement(tag));
      head.textContent = name.replace("predicted_", "").replace(/^text$/, "answer");
      said.textContent = typeof value === "number" ? value.toFixed(2) : typeof value === "string" ? value : JSON.stringify(value);
      pair.append(head, said);
      return pair;
    }),
  );
}

const stop = document.getElementById("stop");
if (stop) {
  stop.disabled = false;
  stop.onclick = () => fetch("state", { method: "DELETE" }).then(() => say("Stopping …"));
  setInterval(async () => {
    const now = await json(await fetch("state"));
    if (now.ended) return location.reload();
    document.getElementById("seconds").textContent = now.seconds;
    document.getElementById("lines").textContent = now.lines.join("\n");
  }, 1500);
}
