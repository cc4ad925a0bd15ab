"use strict";
const { metric, systems, texts, items } = JSON.parse(document.getElementById("data").textContent);
const part = (id) => document.getElementById(id);
const form = part("filters");
const field = (name) => form.elements.namedItem(name);
const ROWS = 50;
const FEW = 8; // choices that are shown at once
const sign = metric.higher ? 1 : -1;
let shown = "all";
let page = 0;
let found = [];

function el(tag, fields = {}, ...inside) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(fields))
    if (name in made && name !== "list") made[name] = value;
    else made.setAttribute(name, value);
  made.append(...inside.filter((each) => each !== null && each !== undefined && each !== ""));
  return made;
}

const chosen = (name) => (field(name).value === "" ? null : Number(field(name).value));
const said = (item, place) => (place === null ? null : item.by[place]);
const isRight = (one) => metric.share && one?.score === 1;
const isWrong = (one) => metric.share && one?.score === 0;
const isScored = (one) => typeof one?.score === "number";

function lead(item) {
  const a = said(item, chosen("a"));
  const b = said(item, chosen("b"));
  return isScored(a) && isScored(b) ? sign * (a.score - b.score) : null;
}

// Which items there are of each kind, by what A, or A beside B, made of them.
function kinds() {
  const a = (item) => said(item, chosen("a"));
  const b = (item) => said(item, chosen("b"));
  const one = [
    ["all", "all", () => true],
    ...(metric.share
      ? [["right", "A right", (item) => isRight(a(item))], ["wrong", "A wrong", (item) => isWrong(a(item))]]
      : []),
    ["cut", "A cut at the limit", (item) => a(item)?.cut],
    ["failed", "A without a result", (item) => a(item)?.failed],
    ["lost", "A not asked", (item) => !a(item)],
  ];
  if (chosen("b") === null) return one;
  const two = metric.share
    ? [
        ["both", "both right", (item) => isRight(a(item)) && isRight(b(item))],
        ["only-a", "only A right", (item) => isRight(a(item)) && isWrong(b(item))],
        ["only-b", "only B right", (item) => isWrong(a(item)) && isRight(b(item))],
        ["neither", "neither right", (item) => isWrong(a(item)) && isWrong(b(item))],
      ]
    : [
        ["ahead", "A ahead", (item) => lead(item) > 0],
        ["behind", "B ahead", (item) => lead(item) < 0],
        ["equal", "equal score", (item) => lead(item) === 0],
      ];
  const others = ["other", "other answer", (item) => a(item) && b(item) && a(item).answer !== b(item).answer];
  return [...one, ["differ", "A and B differ", (item) => lead(item)], ...two, others];
}

const OPTIONAL = ["cut", "failed", "lost", "other"];
const lower = texts.map((text) => text.toLowerCase());

function matches(item, wanted) {
  if (!wanted) return true;
  const places = [item.prompt, item.reference, ...item.by.flatMap((one) => [one?.answer, one?.raw, one?.thoughts])];
  return places.some((place) => place !== undefined && lower[place].includes(wanted)) || item.id === wanted;
}

function filtered() {
  const wanted = field("text").value.trim().toLowerCase();
  const cluster = field("cluster").value;
  const standing = field("contamination").value;
  const a = chosen("a");
  return items.filter(
    (item) =>
      (cluster === "" || item.cluster === Number(cluster)) &&
      (standing === "" || said(item, a)?.contamination === standing) &&
      matches(item, wanted),
  );
}

function ordered(some) {
  const order = field("order").value;
  const of = {
    low: (item) => sign * (said(item, chosen("a"))?.score ?? NaN),
    high: (item) => -sign * (said(item, chosen("a"))?.score ?? NaN),
    ahead: (item) => -(lead(item) ?? NaN),
    behind: (item) => lead(item) ?? NaN,
  }[order];
  if (!of) return some;
  const last = (value) => (Number.isNaN(value) ? Infinity : value); // what has no score stands at the end
  return some.map((item) => [last(of(item)), item]).sort(([x], [y]) => (x < y ? -1 : x > y ? 1 : 0)).map(([, item]) => item);
}

function update(keep = false) {
  const some = filtered();
  const all = kinds();
  if (!all.some(([name]) => name === shown)) shown = "all";
  part("show").replaceChildren(part("show").firstElementChild);
  for (const [name, label, test] of all) {
    const count = some.filter(test).length;
    if (!count && OPTIONAL.includes(name) && name !== shown) continue;
    const button = el("button", { type: "button" }, `${label} `, el("b", {}, count.toLocaleString("en")));
    button.dataset.name = name;
    button.setAttribute("aria-pressed", String(name === shown));
    button.addEventListener("click", () => {
      shown = name;
      update();
      part("show").querySelector("[aria-pressed=true]").focus();
    });
    part("show").append(button);
  }
  found = ordered(some.filter(all.find(([name]) => name === shown)[2]));
  if (!keep) page = 0;
  remember();
  draw();
}

function remember() {
  const kept = new URLSearchParams([...new FormData(form)].filter(([, value]) => value !== ""));
  for (const side of ["a", "b"]) if (chosen(side) !== null) kept.set(side, systems[chosen(side)].name);
  if (shown !== "all") kept.set("show", shown);
  try {
    history.replaceState(null, "", `#${kept}`);
  } catch {
    // A browser that lets no page of a file have an address of its own: it filters all the same.
  }
}

function mark(one) {
  if (!one) return el("span", { className: "quiet" }, "—", el("span", { className: "hidden" }, "not asked"));
  const signs = [one.cut ? "cut" : "", one.failed ? "no result" : ""].filter(Boolean).join(", ");
  const extra = signs && el("span", { className: "wrong", title: signs }, " •", el("span", { className: "hidden" }, signs));
  if (isRight(one)) return el("span", { className: "right" }, "✓", el("span", { className: "hidden" }, "right"), extra);
  if (isWrong(one)) return el("span", { className: "wrong" }, "✗", el("span", { className: "hidden" }, "wrong"), extra);
  return el("span", {}, isScored(one) ? amount(one.score) : "?", extra);
}

function amount(value) {
  if (typeof value !== "number") return String(value);
  return Number.isInteger(value) ? String(value) : Math.abs(value) >= 100 ? value.toFixed(1) : value.toFixed(3);
}

function draw() {
  const pages = Math.max(1, Math.ceil(found.length / ROWS));
  page = Math.min(page, pages - 1);
  const a = chosen("a");
  const b = chosen("b");
  part("head-a").textContent = "A";
  part("head-a").title = systems[a]?.name ?? "";
  part("head-b").textContent = "B";
  part("head-b").hidden = b === null;
  part("head-b").title = systems[b]?.name ?? "";
  const names = b === null ? `A is ${systems[a].name}` : `A is ${systems[a].name}, B is ${systems[b].name}`;
  part("told").textContent = `${found.length.toLocaleString("en")} of ${items.length.toLocaleString("en")} items. ${names}.`;
  part("page").textContent = `${page + 1} of ${pages}`;
  part("earlier").disabled = page === 0;
  part("later").disabled = page === pages - 1;
  const rows = found.slice(page * ROWS, (page + 1) * ROWS).map((item) => {
    const title = texts[item.prompt].trim().replace(/\s+/g, " ").slice(0, 300) || `${item.id} · ${texts[item.cluster]}`;
    const button = el("button", { type: "button" }, title);
    button.setAttribute("aria-expanded", "false");
    const row = el(
      "tr",
      { className: "row" },
      el("td", {}, button),
      el("td", { className: "score" }, mark(said(item, a))),
      b === null ? null : el("td", { className: "score" }, mark(said(item, b))),
    );
    button.addEventListener("click", () => unfold(item, row, button));
    return row;
  });
  part("rows").tBodies[0].replaceChildren(...rows);
}

function unfold(item, row, button) {
  const isOpen = button.getAttribute("aria-expanded") === "true";
  button.setAttribute("aria-expanded", String(!isOpen));
  if (isOpen) return row.nextElementSibling.remove();
  row.after(el("tr", { className: "item" }, el("td", { colSpan: 3 }, ...whole(item))));
}

const block = (text, label) => el("pre", { tabIndex: 0, role: "group", ariaLabel: label }, text);

function folded(label, ...inside) {
  return el("details", {}, el("summary", {}, label), ...inside);
}

function whole(item) {
  const a = chosen("a");
  const b = chosen("b");
  const places = [...new Set([a, ...(b === null ? [] : [b]), ...systems.keys()])];
  const put = said(item, a)?.put;
  const parts = [el("p", { className: "quiet" }, `${item.id} · cluster ${texts[item.cluster]}`)];
  if (texts[item.prompt]) parts.push(el("h2", {}, "Asked"), block(texts[item.prompt], "asked"));
  if (texts[item.reference]) parts.push(el("h2", {}, "Wanted"), block(texts[item.reference], "wanted"));
  for (const place of places) parts.push(system(item, place, put, place === a ? "A" : place === b ? "B" : ""));
  return parts;
}

function system(item, place, put, letter) {
  const one = item.by[place];
  const { name, is_baseline: isBaseline } = systems[place];
  const head = el("h3", {}, `${letter ? `${letter}: ` : ""}${name} `, mark(one));
  if (isBaseline) head.append(el("span", { className: "quiet" }, " a baseline"));
  if (one?.cut) head.append(el("span", { className: "chip" }, "cut at the limit"));
  if (one?.failed) head.append(el("span", { className: "chip" }, "no result found"));
  const parts = [head];
  if (!one) return el("section", {}, head, el("p", { className: "quiet" }, "The model did not get this item: it is too long for the model, or is not in its sample."));
  if (one.raw !== undefined || one.answer !== undefined)
    parts.push(block(texts[one.raw ?? one.answer] || "(nothing)", `answer of ${name}`));
  if (one.extracted !== undefined) parts.push(el("p", {}, "Result found: ", el("strong", {}, texts[one.extracted])));
  if (one.thoughts !== undefined) parts.push(folded("Thoughts before it", block(texts[one.thoughts], "thoughts")));
  if (one.choices) parts.push(choices(one.choices, texts[one.answer], texts[item.reference]));
  if (one.probabilities) parts.push(labels(one.probabilities, texts[item.reference]));
  if (one.found) parts.push(spans(one.found, item.wanted));
  const facts = Object.entries(one.more).map(([key, value]) => (value === true ? key : `${key} ${amount(value)}`).replaceAll("_", " "));
  if (one.tokens !== undefined) facts.unshift(`${one.tokens} tokens`);
  if (one.finish_reason) facts.unshift(one.finish_reason === "length" ? "ended at the limit" : `ended by ${one.finish_reason}`);
  facts.push(`in its training text: ${one.contamination}${one.stands ? ` (${one.stands})` : ""}`);
  parts.push(el("p", { className: "quiet" }, facts.join(" · ")));
  if (one.put !== undefined)
    parts.push(
      letter !== "A" && one.put === put
        ? el("p", { className: "quiet" }, "Prompt: the same as for A.")
        : folded("Whole prompt that it got", block(texts[one.put], `prompt put before ${name}`)),
    );
  return el("section", {}, ...parts);
}

function table(heads, rows) {
  return el(
    "div",
    { className: "wide", tabIndex: 0, role: "group", ariaLabel: heads.join(", ") },
    el(
      "table",
      {},
      el("thead", {}, el("tr", {}, ...heads.map((head) => el("th", { scope: "col" }, head)))),
      el("tbody", {}, ...rows.map(([cells, isStrong]) => el("tr", { className: isStrong ? "chosen" : "" }, ...cells.map((cell) => el("td", {}, cell))))),
    ),
  );
}

// Every choice with whatever scores a task keeps of it.
function choices(all, taken, wanted) {
  const heads = [...new Set(["text", ...all.flatMap((each) => Object.keys(each))])];
  const verdict = ({ text }) => [text === taken && "taken", text === wanted && "wanted"].filter(Boolean).join(", ");
  const rows = all.map((each) => [[verdict(each), ...heads.map((head) => (head in each ? amount(each[head]) : ""))], each.text === taken]);
  const whole = table(["verdict", ...heads.map((head) => head.replaceAll("_", " "))], rows);
  return all.length > FEW ? folded(`Scores of all ${all.length} choices`, whole) : whole;
}

function labels(all, wanted) {
  const ranked = Object.entries(all).sort(([, x], [, y]) => y - x);
  const rows = ranked.map(([label, likely]) => [[label, amount(likely), label === wanted ? "wanted" : ""], label === wanted]);
  return folded(`Probability of each of ${ranked.length} labels`, table(["label", "probability", "verdict"], rows));
}

function spans(given, wanted) {
  const key = (span) => JSON.stringify(span);
  const right = new Set(wanted.map(key));
  const there = new Set(given.map(key));
  const every = [...new Map([...wanted, ...given].map((span) => [key(span), span])).values()].sort((x, y) => x[1] - y[1]);
  const verdict = (span) => (!there.has(key(span)) ? "missed" : right.has(key(span)) ? "right" : "not wanted");
  const rows = every.map((span) => [[span[0], span[3], `${span[1]}–${span[2]}`, verdict(span)], false]);
  return rows.length ? table(["label", "text", "place", "verdict"], rows) : el("p", { className: "quiet" }, "The item has no span, and none was found.");
}

function turn(step) {
  const before = page;
  page = Math.max(0, page + step);
  draw();
  if (page !== before) part("rows").scrollIntoView();
}

function move(step) {
  const buttons = [...part("rows").querySelectorAll(".row button")];
  const here = buttons.indexOf(document.activeElement);
  buttons[Math.min(buttons.length - 1, Math.max(0, here + step))]?.focus();
}

systems.forEach(({ name, is_baseline: isBaseline }, place) => {
  for (const side of ["a", "b"]) field(side).append(el("option", { value: place }, isBaseline ? `${name} (baseline)` : name));
});
field("b").prepend(el("option", { value: "" }, "none"));
const sizes = new Map();
for (const { cluster } of items) sizes.set(cluster, (sizes.get(cluster) ?? 0) + 1);
field("cluster").append(el("option", { value: "" }, `all ${sizes.size.toLocaleString("en")}`));
if (sizes.size < items.length)
  for (const [cluster, count] of [...sizes].sort(([x], [y]) => (texts[x] < texts[y] ? -1 : 1)))
    field("cluster").append(el("option", { value: cluster }, `${texts[cluster]} (${count})`));
else field("cluster").parentElement.hidden = true;

const kept = new URLSearchParams(location.hash.slice(1));
const named = (name) => systems.findIndex((each) => each.name === name);
for (const [name, value] of kept)
  if (name !== "show" && field(name)) field(name).value = ["a", "b"].includes(name) ? named(value) : value;
if (chosen("a") === null) kept.delete("a");
const plain = [...systems.keys()].filter((place) => systems[place].is_plain);
const models = plain.length ? plain : [...systems.keys()].filter((place) => !systems[place].is_baseline);
part("scores").append(...systems.map(({ name, told }) => el("li", {}, el("strong", {}, name), `: ${told}`)));
if (!kept.has("a")) field("a").value = models.at(-1) ?? 0;
if (!kept.has("b")) field("b").value = kept.has("a") ? "" : (models.at(-2) ?? [...systems.keys()].find((place) => place !== chosen("a")) ?? "");
shown = kept.get("show") ?? "all";
form.addEventListener("input", () => update());
form.addEventListener("submit", (event) => event.preventDefault());
part("earlier").addEventListener("click", () => turn(-1));
part("later").addEventListener("click", () => turn(1));
const keys = {
  "/": () => field("text").focus(),
  j: () => move(1),
  k: () => move(-1),
  ArrowLeft: () => turn(-1),
  ArrowRight: () => turn(1),
};
document.addEventListener("keydown", (event) => {
  if (["INPUT", "SELECT"].includes(event.target.tagName)) return event.key === "Escape" && event.target.blur();
  if (event.ctrlKey || event.metaKey || event.altKey || !Object.hasOwn(keys, event.key)) return;
  event.preventDefault();
  keys[event.key]();
});
update();
