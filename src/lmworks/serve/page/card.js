// What the page says of a model, and the prompts to try.

import { element, make } from "./elements.js";

function number(value) {
  return value.toLocaleString("en", { maximumSignificantDigits: 3 });
}

function size(count) {
  return count.toLocaleString("en", { notation: "compact", maximumSignificantDigits: 3 });
}

export function showModel(content, ask) {
  for (const id of ["facts", "figures", "examples", "advice", "failures"]) element(id).replaceChildren();
  document.title = content.name;
  element("name").textContent = content.name;
  element("purpose").textContent = content.purpose;
  const facts = [["Name", content.name]];
  if (content.parameters) facts.push(["Parameters", size(content.parameters)]);
  if (content.context_length) facts.push(["Context", `${content.context_length.toLocaleString("en")} tokens`]);
  if (content.digest) facts.push(["Digest", content.digest.slice(0, 12)]);
  for (const [name, value] of facts) {
    make("dt", "", name, element("facts"));
    make("dd", "", value, element("facts"));
  }
  for (const text of content.advice) make("li", "", text, element("advice"));
  for (const failure of content.failures) showFailure(failure);
  element("known").hidden = !content.advice.length;
  element("worst").hidden = !content.failures.length;
  for (const figure of content.figures) showFigure(figure);
  element("measured").hidden = !content.figures.length;
  element("licences").textContent = content.licences.join(", ");
  element("sources").hidden = !content.licences.length;
  for (const group of content.examples) showExamples(group, ask);
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

function showFailure(failure) {
  const item = make("li", "", "", element("failures"));
  make("p", "hint", failure.task, item);
  for (const [name, text] of [["Asked", failure.asked], ["It said", failure.answered], ["Wanted", failure.wanted]]) {
    const line = make("p", "", "", item);
    make("strong", "", `${name}: `, line);
    make("span", "", text || "nothing", line);
  }
}

function showExamples(group, ask) {
  const section = make("section", "", "", element("examples"));
  make("h2", "", group.title, section);
  for (const text of group.prompts) {
    const button = make("button", "", text, section);
    button.type = "button";
    button.addEventListener("click", () => ask(text));
  }
}
