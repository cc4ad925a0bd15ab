// The page of a model: a chat, or texts that are sorted, marked, rewritten or compared one by one.
// What the model says is only ever inserted as text.

import { showModel } from "./card.js";
import { element, make } from "./elements.js";
import { keep, recall } from "./kept.js";
import { showMarkdown } from "./markdown.js";
import { readings } from "./readings.js";

const [start, log, composer, prompt, send, stop, card, about, choice, settings] = [
  "start", "log", "composer", "prompt", "send", "stop", "card", "about", "choice", "settings",
].map(element);

const [, before] = location.pathname.match(/^(.*\/)session-[0-9a-f]+\/$/) ?? [];
if (before) keep("localStorage", `place of ${before}`, location.pathname); // so that the address above leads here
const models = await (await fetch("page/content.json")).json();
const MOST_TOKENS = 400; // of an answer: about a page
const CHAT = "lmworks chat 1"; // names of what the browser keeps; another number where its form changes
const SETTINGS = "lmworks settings 1";
let content = models[0];
let turns = []; // what was asked with its answer, each a child of the log: {question, thoughts, answer, found, citations, notes, fault}
let left = 0; // so many of the first no longer fit the model's context
let running = null; // the AbortController of the answer being written
const reading = readings[content.can[0]]; // how a text that is only read is answered; all models here are of one kind
const isPlain = content.rewrites || !content.chats; // what is written stands as it is
const isAlone = reading || isPlain; // each text is answered by itself: there is no conversation

// ---------------------------------------------------------------- asking

async function ask(question, before) {
  // `before` is an earlier answer to the same, where another is wanted.
  if (running) return;
  running = new AbortController();
  const { signal } = running;
  const asked = turns;
  const turn = { question, thoughts: "", answer: "", found: null, notes: "stopped", fault: "" };
  turns.push(turn);
  const box = begin(turn);
  showRunning(true);
  follow(true);
  try {
    if (reading) await read(turn, signal);
    else await write(turn, box, signal);
    if (before && turn.answer === before && !chosen("temperature"))
      turn.notes += " · the same again: at temperature 0 the likeliest word is always taken; raise it in the settings";
  } catch (fault) {
    if (fault.name !== "AbortError") turn.fault = said(fault);
  }
  if (turns !== asked) return; // a new chat was begun meanwhile
  const near = isNearEnd();
  finish(turn, box);
  running = null;
  showRunning(false, turn.fault || turn.notes);
  follow(near);
  remember();
}

async function read(turn, signal) {
  const response = await post(reading.endpoint, { input: turn.question }, signal);
  [turn.found] = (await response.json()).data;
  turn.notes = turn.found.truncated ? "The end of the text was not read: it is longer than the model’s context." : "";
}

async function write(turn, box, signal) {
  const place = box.querySelector(".text");
  const { response, limit, notes } = await fitting(turn, signal);
  turn.notes = [...notes, "stopped"].join(" · "); // unless it comes to its end
  let frame = 0;
  let [tokens, first, last, reason] = [0, 0, 0, "stopped"];
  for await (const chunk of events(response)) {
    if (chunk.error) throw chunk.error;
    if (chunk.usage) tokens = chunk.usage.completion_tokens;
    if (chunk.citations?.length) {
      turn.isNear = !chunk.found;
      showCitations((turn.citations = chunk.citations), box.lastChild, turn.isNear); // worth reading before the answer ends
    }
    for (const { delta, text, finish_reason } of chunk.choices) {
      turn.answer += text ?? delta.content ?? "";
      turn.thoughts += delta?.reasoning_content ?? "";
      last = performance.now();
      first ||= last;
      reason = finish_reason ?? reason;
      frame ||= requestAnimationFrame(() => {
        frame = 0;
        showAnswer(turn, place);
      });
    }
  }
  if (tokens) notes.push(`${tokens} tokens`);
  if (last - first > 100) notes.push(`${Math.round((1000 * (tokens - 1)) / (last - first))} tokens/s`);
  if (reason === "stopped") notes.push("stopped");
  if (reason === "length") notes.push(limit ? `ended by the length limit of ${limit} tokens (see settings)` : "ended by the end of the context");
  if (turn.thoughts && !turn.answer) notes.push("it was still thinking: there is no answer");
  else if (reason === "stop" && !turn.answer) notes.push("the answer is empty");
  turn.notes = notes.join(" · ");
}

async function fitting(turn, signal) {
  // A chat that outgrew the context goes on without its oldest turns, and says so; the last of them alone takes what room there is.
  let limit = longest();
  for (;;) {
    try {
      const response = await post(content.chats ? "v1/chat/completions" : "v1/completions", { ...chat(turn), ...(limit && { max_tokens: limit }) }, signal);
      const lost = isAlone ? 0 : 2 * turns.slice(0, left).filter(({ answer }) => answer).length;
      return { response, limit, notes: lost ? [`without the first ${lost} messages: they no longer fit the model’s context`] : [] };
    } catch (fault) {
      if (fault.code !== "context_length_exceeded" || !limit) throw fault;
      if (isAlone || left >= turns.length - 1) limit = undefined;
      else left++;
    }
  }
}

function chat(turn) {
  const before = isAlone ? [] : turns.slice(left, -1).filter(({ answer }) => answer); // a question without one would only confuse
  const messages = before.flatMap(({ question, thoughts, answer }) => [
    { role: "user", content: question },
    { role: "assistant", content: answer, ...(thoughts && { reasoning_content: thoughts }) }, // its template says what becomes of them
  ]);
  messages.push({ role: "user", content: turn.question });
  const sampling = { temperature: chosen("temperature"), top_p: chosen("top_p") };
  const asked = content.chats ? { messages } : { prompt: turn.question };
  return { ...asked, ...sampling, stream: true, stream_options: { include_usage: true } };
}

async function post(endpoint, body, signal) {
  const response = await fetch(endpoint, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ model: content.model, ...body }),
    signal,
  });
  if (response.status === 401) location.reload(); // the key was changed; the sign-in form asks for it
  if (!response.ok) throw (await response.json()).error;
  return response;
}

async function* events(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let waiting = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const frames = (waiting + value).split("\n\n");
    waiting = frames.pop();
    for (const frame of frames) {
      if (frame === "data: [DONE]") return;
      yield JSON.parse(frame.slice("data: ".length));
    }
  }
}

function said(fault) {
  const words = {
    context_length_exceeded: isAlone ? "This text is longer than the model reads. Send a part of it." : "This question is longer than the model’s context. Edit it: a shorter one fits.",
    deadline_exceeded: "This took longer than the server allows, and ends here. Ask for less.",
    server_overloaded: "The server is busy with other questions. Please ask again in a moment.",
    server_stopping: "The server is being stopped. Please ask again when it is back.",
  };
  if (fault instanceof TypeError) return "The server cannot be reached. Is it still running?";
  return words[fault.code] ?? `Sorry: ${fault.message}.`;
}

// ---------------------------------------------------------------- a turn

function begin(turn) {
  start.hidden = true;
  const box = make("article", isAlone ? "pair" : "exchange", "", log);
  const asked = make("div", "turn user", turn.question, box);
  asked.role = "group";
  asked.ariaLabel = "Question";
  asked.dir = "auto";
  if (!isAlone) action("Edit", make("div", "actions", "", box), () => edit(turn, box));
  const answered = make("div", "turn running", "", box);
  answered.role = "group";
  answered.ariaLabel = "Answer";
  const thoughts = make("details", "thoughts", "", answered);
  thoughts.hidden = true;
  make("summary", "", "Thoughts", thoughts);
  make("div", "", "", thoughts).dir = "auto";
  make("div", isPlain ? "text plain" : "text", "", answered).dir = "auto";
  return box;
}

function finish(turn, box) {
  const answered = box.lastChild;
  answered.classList.remove("running");
  const place = answered.querySelector(".text");
  showAnswer(turn, place);
  if (turn.citations && !answered.querySelector(".citations")) showCitations(turn.citations, answered, turn.isNear);
  if (turn.fault) make("p", "fault", turn.fault, answered).role = "alert";
  else if (turn.notes) make("p", "notes", turn.notes, answered);
  const actions = make("div", "actions", "", answered);
  if (turn.answer) action("Copy", actions, (button) => copy(turn.answer, button, place));
  if (turn.fault || !reading) action("Retry", actions, () => again(turn, turn.question, turn.answer)).classList.add("retry");
}

function showCitations(citations, answered, isNear) {
  // A line and isolated elements for each: no title can pass for the licence, or for another citation.
  make("p", "notes", isNear ? "nearest passages:" : content.quotes ? "passages:" : "read:", answered);
  const list = make("ol", "notes citations", "", answered);
  for (const { number, title, text, link, path, licence } of citations) {
    const line = make("li", "", "", list);
    line.value = number;
    make("bdi", "", (title || link || path).replace(/\s+/g, " "), line);
    make("bdi", "licence", licence, line);
    const passage = make("details", "", "", line);
    make("summary", "", "What it says", passage);
    make("blockquote", "", text.trim(), passage).dir = "auto";
  }
}

function showAnswer(turn, place) {
  const near = isNearEnd();
  const thoughts = place.previousSibling;
  thoughts.hidden = !turn.thoughts;
  thoughts.lastChild.textContent = turn.thoughts ?? "";
  if (turn.found) reading.show(turn.found, turn.question, place, make);
  else if (isPlain) place.textContent = turn.answer;
  else showMarkdown(turn.answer, place, content.quotes);
  follow(near);
}

function action(name, place, act) {
  const button = make("button", "", name, place);
  button.type = "button";
  button.addEventListener("click", () => act(button));
  return button;
}

function again(turn, question, before) {
  // Ask in place of a turn; what followed it is dropped.
  const place = turns.indexOf(turn);
  if (running || place < 0) return;
  if (place < turns.length - 1) left = 0; // without what followed, more of the beginning may fit
  turns.length = place;
  while (log.children.length > place) log.lastChild.remove();
  ask(question, before);
}

function edit(turn, box) {
  const asked = box.firstChild;
  const form = make("form", "edit", "");
  const text = make("textarea", "", turn.question, form);
  text.ariaLabel = "Edit your question";
  const actions = make("div", "actions", "", form);
  make("button", "", "Send", actions);
  const leave = () => {
    form.replaceWith(asked);
    asked.nextSibling.firstChild.focus();
  };
  action("Cancel", actions, leave);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (text.value.trim()) again(turn, text.value.trim());
  });
  text.addEventListener("keydown", sendsByEnter);
  form.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    event.stopPropagation(); // it ends the editing, not an answer that is being written
    leave();
  });
  asked.replaceWith(form);
  text.focus();
}

async function copy(text, button, place) {
  const name = button.textContent;
  try {
    await navigator.clipboard.writeText(text);
    button.textContent = "Copied";
  } catch {
    getSelection().selectAllChildren(place); // a page without HTTPS, or from another machine, may not write there itself
    button.textContent = "Selected: press Ctrl + C";
  }
  tell(button.textContent);
  setTimeout(() => (button.textContent = name), 2000);
}

// ---------------------------------------------------------------- settings

function longest() {
  // Tokens of an answer: a third of the context at the most, so that a chat has several turns.
  return chosen("max_tokens") ?? Math.max(1, Math.min(MOST_TOKENS, Math.floor(content.context_length / 3) || MOST_TOKENS));
}

function chosen(name) {
  // Undefined where nothing was chosen, or what is not allowed: the default counts.
  const field = settings.elements[name];
  const value = field.validity.valid ? field.value : field.defaultValue;
  return value === "" ? undefined : Number(value);
}

function showSettings() {
  settings.hidden = Boolean(reading) || content.quotes;
  const { max_tokens: field } = settings.elements;
  if (content.context_length) field.max = Math.max(1, Math.floor(content.context_length / 2)); // the chat needs room too
  field.value = "";
  field.placeholder = longest();
  for (const [name, value] of Object.entries(recall("localStorage", SETTINGS) ?? {}))
    if (settings.elements[name]) settings.elements[name].value = value;
  if (!field.validity.valid) field.value = ""; // was chosen for a model of a longer context
}

settings.addEventListener("change", () => {
  left = 0; // what made no room for a longer answer may fit now
  const wrong = [...settings.elements].find((field) => !field.validity.valid);
  if (!wrong) keep("localStorage", SETTINGS, Object.fromEntries(new FormData(settings)));
  element("wrong").textContent = wrong ? `${wrong.labels[0].textContent.trim()}: ${wrong.validationMessage} The default counts.` : "";
});
settings.addEventListener("submit", (event) => event.preventDefault());
settings.addEventListener("reset", () => {
  keep("localStorage", SETTINGS, {});
  element("wrong").textContent = "";
});

// ---------------------------------------------------------------- the page

function remember() {
  const isKept = keep("sessionStorage", CHAT, { model: content.model, digest: content.digest, left, turns });
  element("kept").textContent = isKept
    ? `Kept in this tab until you close it or press ${isAlone ? "Clear" : "New chat"}.`
    : "This browser cannot keep it: a reload loses it.";
}

function goOn() {
  const before = recall("sessionStorage", CHAT);
  const known = before && models.find(({ model, digest }) => model === before.model && digest === before.digest);
  if (!known) return;
  content = known;
  choice.selectedIndex = models.indexOf(known);
  ({ turns, left } = before);
  for (const turn of turns) finish(turn, begin(turn));
}

function showRunning(is, end) {
  send.hidden = is;
  stop.hidden = !is;
  log.setAttribute("aria-busy", is);
  tell(is ? (content.quotes ? "Passages are sought." : "The model is answering.") : end);
  if ([document.body, send, stop].includes(document.activeElement)) toPrompt(); // it was on what is hidden or gone now
}

function toPrompt() {
  if (matchMedia("(hover: hover)").matches) prompt.focus(); // on a phone, it would raise the keyboard over the answer
}

function tell(text) {
  element("status").textContent = text;
}

function isNearEnd() {
  return log.scrollHeight - log.scrollTop - log.clientHeight < 80;
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
  turns = [];
  left = 0;
  reading?.clear?.();
  log.replaceChildren();
  start.hidden = false;
  toggleCard(false);
  showRunning(false, "");
  remember();
}

function sendsByEnter(event) {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  event.target.form.requestSubmit();
}

composer.addEventListener("submit", (event) => {
  event.preventDefault();
  const text = prompt.value.trim();
  if (!text || running) return;
  prompt.value = "";
  toggleCard(false);
  ask(text);
});
prompt.addEventListener("keydown", sendsByEnter);
stop.addEventListener("click", () => running?.abort());
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") running?.abort();
});
element("leave").hidden = !before; // below another door, as that of `lmworks open`, nobody signs in
element("leave").addEventListener("submit", newChat); // which forgets this one
addEventListener("pagehide", remember); // with what there is of an answer
log.addEventListener("click", ({ target }) => {
  const block = target.closest(".code .bar button")?.closest(".code").querySelector("code");
  if (block) copy(block.textContent, target, block);
});
about.addEventListener("click", () => toggleCard(!card.classList.contains("shown")));
element("new-chat").addEventListener("click", () => {
  newChat();
  toPrompt();
});
if (content.quotes) prompt.placeholder = "Ask the documents";
if (isAlone) {
  prompt.placeholder = reading?.placeholder ?? (content.rewrites ? "Text to rewrite" : "Text to go on from");
  if (reading) about.textContent = "About"; // there is nothing to be set
  element("new-chat").textContent = "Clear";
  log.setAttribute("aria-label", "Answers");
}
for (const { model } of models) choice.append(new Option(model));
element("choose").hidden = models.length === 1;
element("name").classList.toggle("unseen", models.length > 1);
choice.addEventListener("change", () => {
  content = models[choice.selectedIndex];
  newChat();
  showModel(content, ask);
  showSettings();
});
goOn();
showModel(content, ask);
showSettings();
remember();
follow(true);
prompt.disabled = send.disabled = false; // until here nothing would have sent what was typed
toPrompt();
