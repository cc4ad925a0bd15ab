"use strict";
const { documents, labels, sample } = JSON.parse(document.getElementById("data").textContent);
const part = (id) => document.getElementById(id);
let state = { annotator: "", verdicts: {} };
try {
  state = JSON.parse(localStorage.getItem(sample)) ?? state;
} catch {
  // Without storage the verdicts last as long as the page.
}
let here = Math.max(0, documents.findIndex(({ id }) => !state.verdicts[id]?.label));

function keep() {
  try {
    localStorage.setItem(sample, JSON.stringify(state));
  } catch {
    part("fault").textContent = "This browser stores nothing for pages from files: save before you close the page.";
  }
}

function show() {
  const { id, source, language, text } = documents[here];
  const verdict = state.verdicts[id] ?? {};
  const done = documents.filter((each) => state.verdicts[each.id]?.label).length;
  part("place").textContent = `${here + 1} of ${documents.length}; ${done} judged`;
  part("origin").textContent = [source, language, id].filter(Boolean).join(" · ");
  part("text").textContent = text;
  part("text").scrollTop = 0;
  part("comment").value = verdict.comment ?? "";
  for (const [index, button] of [...part("labels").children].entries())
    button.setAttribute("aria-pressed", String(verdict.label === labels[index]));
}

function go(step) {
  here = Math.min(documents.length - 1, Math.max(0, here + step));
  show();
}

function note(values) {
  const { id } = documents[here];
  state.verdicts[id] = { ...state.verdicts[id], ...values };
  keep();
}

function judge(label) {
  note({ label });
  go(1);
}

function save() {
  const annotator = state.annotator.trim();
  part("fault").textContent = annotator ? "" : "Type your pseudonym first: it shows whose verdicts these are.";
  if (!annotator) return part("annotator").focus();
  const lines = documents
    .filter(({ id }) => state.verdicts[id]?.label)
    .map(({ id }) => JSON.stringify({ id, label: state.verdicts[id].label, annotator, comment: state.verdicts[id].comment }));
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob(lines.map((line) => `${line}\n`), { type: "application/jsonl" }));
  link.download = `verdicts-${annotator.replace(/[^\p{L}\p{N}-]+/gu, "-")}.jsonl`;
  link.click();
  URL.revokeObjectURL(link.href);
  const left = documents.findIndex(({ id }) => state.verdicts[id]?.comment && !state.verdicts[id].label);
  if (left < 0) return;
  here = left;
  show();
  part("fault").textContent = "Saved without the comment on this document, because it has no verdict. Give a verdict, and save again.";
}

labels.forEach((label, index) => {
  const key = document.createElement("kbd");
  key.textContent = index + 1;
  const button = document.createElement("button");
  button.append(`${label} `, key);
  button.addEventListener("click", () => judge(label));
  part("labels").append(button);
});
part("annotator").value = state.annotator;
part("annotator").addEventListener("input", ({ target }) => {
  state.annotator = target.value;
  keep();
});
part("comment").addEventListener("input", ({ target }) => note({ comment: target.value || undefined }));
part("back").addEventListener("click", () => go(-1));
part("next").addEventListener("click", () => go(1));
part("save").addEventListener("click", save);
const keys = {
  ArrowLeft: () => go(-1),
  ArrowRight: () => go(1),
  c: () => part("comment").focus(),
  s: save,
  ...Object.fromEntries(labels.slice(0, 9).map((label, index) => [index + 1, () => judge(label)])),
};
document.addEventListener("keydown", (event) => {
  if (event.target.tagName === "INPUT") return event.key === "Escape" && event.target.blur();
  if (event.ctrlKey || event.metaKey || event.altKey || !Object.hasOwn(keys, event.key)) return;
  event.preventDefault();
  keys[event.key]();
});
show();
