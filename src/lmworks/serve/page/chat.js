// The page of a model: a chat, or texts that are sorted, marked, rewritten or compared one by one.
// What the model says is only ever inserted as text.

import { readings } from "./readings.js";

const element = (id) => document.getElementById(id);
const [start, log, composer, prompt, send, stop, card, about, choice] = [
  "start", "log", "composer", "prompt", "send", "stop", "card", "about", "choice",
].map(element);

const models = await (await fetch("/page/content.json")).json();
const MOST_TOKENS = 400; // of an answer: about a page
let content = models[0];
let messages = [];
let running = null; // the AbortController of the answer being written
const reading = readings[content.can[0]]; // how a text that is only read is answered; all models here are of one kind
const isAlone = reading || content.rewrites; // each text is answered by itself: there is no conversation

function make(tag, className, text, parent) {
  const node = document.createElement(tag);
  node.className = className;
  node.textContent = text;
  parent?.append(node);
  return node;
}

function number(value) {
  return value.toLocaleString("en", { maximumSignificantDigits: 3 });
}

function longest() {
  // Tokens of an answer: a third of the context at the most, so that a chat has several turns.
  return Math.max(1, Math.min(MOST_TOKENS, Math.floor(content.context_length / 3) || MOST_TOKENS));
}

function size(count) {
  return count.toLocaleString("en", { notation: "compact", maximumSignificantDigits: 3 });
}

// ---------------------------------------------------------------- card and examples

function showModel() {
  for (const id of ["facts", "figures", "examples"]) element(id).replaceChildren();
  showCard();
  showExamples();
}

function showCard() {
  document.title = content.name;
  element("name").textContent = content.name;
  element("purpose").textContent = content.purpose;
  const facts = [
    ["Name", content.name],
    ["Parameters", size(content.parameters)],
  ];
  if (content.context_length) facts.push(["Context", `${content.context_length.toLocaleString("en")} tokens`]);
  if (content.digest) facts.push(["Digest", content.digest.slice(0, 12)]);
  for (const [name, value] of facts) {
    make("dt", "", name, element("facts"));
    make("dd", "", value, element("facts"));
  }
  for (const figure of content.figures) showFigure(figure);
  element("measured").hidden = !content.figures.length;
  element("licences").textContent = content.licences.join(", ");
  element("sources").hidden = !content.licences.length;
}

function showFigure(figure) {
  const item = make("li", "", "", element("figures"));
  const line = make("div", "figure", "", item);
  make("span", "", figure.name, line);
  const interval = figure.interval ? ` [${figure.interval.map(number).join(", ")}]` : "";
  make("strong", "", `${number(figure.value)}${figure.unit ? ` ${figure.unit}` : ""}${interval}`, line);
  const chance = figure.chance === undefined ? "" : `, chance\u00a0${number(figure.chance)}`;
  make("p", "hint", `${figure.method}; n\u00a0=\u00a0${figure.n.toLocaleString("en")}${chance}`, item);
}

function showExamples() {
  for (const group of content.examples) {
    const section = make("section", "", "", element("examples"));
    make("h3", "", group.title, section);
    for (const text of group.prompts) {
      const button = make("button", "", text, section);
      button.type = "button";
      button.addEventListener("click", () => ask(text));
    }
  }
}

// ---------------------------------------------------------------- asking

async function ask(text) {
  if (running) return;
  running = new AbortController();
  start.hidden = true;
  toggleCard(false);
  const place = isAlone ? make("div", "pair", "", log) : log;
  if (isAlone) messages = [];
  make("div", "turn user", text, place);
  const turn = make("div", "turn running", "", place);
  const answer = make("div", "text", "", turn);
  messages.push({ role: "user", content: text });
  showRunning(true);
  follow(true);
  const asked = messages;
  const notes = { tokens: 0, first: 0, last: 0, reason: "stopped" };
  try {
    if (reading) await showReading(await request(running.signal), text, answer);
    else await read(await fitting(turn, running.signal), answer, notes);
  } catch (fault) {
    if (fault.name !== "AbortError") showFault(turn, fault);
  }
  turn.classList.remove("running");
  if (messages !== asked) return; // a new chat was begun meanwhile
  if (answer.textContent) messages.push({ role: "assistant", content: answer.textContent });
  else messages.pop(); // an unanswered question would only confuse the next one
  if (!reading) showNotes(turn, notes);
  running = null;
  showRunning(false);
}

async function fitting(turn, signal) {
  // A chat that outgrew the context goes on without its oldest turns, and says so.
  for (let left = 0; ; left += 2) {
    try {
      const response = await request(signal);
      if (left) make("p", "notes", `without the first ${left} messages: they no longer fit the model’s context`, turn);
      return response;
    } catch (fault) {
      if (fault.code !== "context_length_exceeded" || messages.length < 3) throw fault;
      messages.splice(0, 2);
    }
  }
}

async function request(signal) {
  const chat = { messages, max_tokens: longest(), temperature: 0, stream: true, stream_options: { include_usage: true } };
  const response = await fetch(reading?.endpoint ?? "/v1/chat/completions", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ model: content.model, ...(reading ? { input: messages.at(-1).content } : chat) }),
    signal,
  });
  if (response.status === 401) location.reload(); // the key was changed; the sign-in form asks for it
  if (!response.ok) throw (await response.json()).error;
  return response;
}

async function showReading(response, text, answer) {
  const [found] = (await response.json()).data;
  reading.show(found, text, answer, make);
  if (found.truncated) make("p", "notes", "The end of the text was not read: it is longer than the model’s context.", answer);
}

async function read(response, answer, notes) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let waiting = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const frames = (waiting + value).split("\n\n");
    waiting = frames.pop();
    for (const frame of frames) {
      if (frame === "data: [DONE]") return;
      take(JSON.parse(frame.slice("data: ".length)), answer, notes);
    }
  }
}

function take(chunk, answer, notes) {
  if (chunk.error) throw chunk.error;
  if (chunk.usage) notes.tokens = chunk.usage.completion_tokens;
  for (const choice of chunk.choices) {
    const near = log.scrollHeight - log.scrollTop - log.clientHeight < 80;
    answer.append(choice.delta.content ?? "");
    notes.last = performance.now();
    notes.first ||= notes.last;
    notes.reason = choice.finish_reason ?? notes.reason;
    follow(near);
  }
}

// ---------------------------------------------------------------- showing

function showNotes(turn, { tokens, first, last, reason }) {
  const parts = [];
  if (tokens) parts.push(`${tokens} tokens`);
  if (tokens > 1 && last > first) parts.push(`${Math.round((1000 * (tokens - 1)) / (last - first))} tokens/s`);
  if (reason === "stopped") parts.push("stopped");
  if (reason === "length") parts.push("ended by the length limit");
  if (!turn.querySelector(".fault")) make("p", "notes", parts.join(" · "), turn);
  follow(true);
}

function showFault(turn, fault) {
  const words = {
    context_length_exceeded: isAlone ? "This text is longer than the model reads. Send a part of it." : "This chat no longer fits the model’s context. Begin a new chat, or ask something shorter.",
    server_overloaded: "The server is busy with other questions. Please ask again in a moment.",
    server_stopping: "The server is being stopped. Please ask again when it is back.",
  };
  const unreachable = fault instanceof TypeError;
  const text = unreachable ? "The server cannot be reached. Is it still running?" : words[fault.code] ?? `Sorry: ${fault.message}.`;
  make("p", "fault", text, turn).setAttribute("role", "alert");
}

function showRunning(is) {
  send.hidden = is;
  stop.hidden = !is;
  log.setAttribute("aria-busy", is);
  if (!matchMedia("(hover: hover)").matches) return; // on a phone, focus would raise the keyboard over the answer
  (is ? stop : prompt).focus();
}

function follow(near) {
  if (near) log.scrollTop = log.scrollHeight;
}

function toggleCard(shown) {
  card.classList.toggle("shown", shown);
  about.setAttribute("aria-expanded", shown);
}

function newChat() {
  running?.abort();
  running = null;
  messages = [];
  reading?.clear?.();
  log.replaceChildren();
  start.hidden = false;
  toggleCard(false);
  showRunning(false);
}

composer.addEventListener("submit", (event) => {
  event.preventDefault();
  const text = prompt.value.trim();
  if (!text || running) return;
  prompt.value = "";
  ask(text);
});
prompt.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  composer.requestSubmit();
});
stop.addEventListener("click", () => running?.abort());
about.addEventListener("click", () => toggleCard(!card.classList.contains("shown")));
element("new-chat").addEventListener("click", newChat);
if (isAlone) {
  prompt.placeholder = reading?.placeholder ?? "Text to rewrite";
  element("new-chat").textContent = "Clear";
  log.setAttribute("aria-label", "Answers");
}
for (const { model } of models) choice.append(new Option(model));
element("choose").hidden = models.length === 1;
element("name").hidden = models.length > 1;
choice.addEventListener("change", () => {
  content = models[choice.selectedIndex];
  newChat();
  showModel();
});
showModel();
