// Texts that are only read: where each kind of model is asked, and how its answer is shown.

const MOST_LABELS = 12;
const share = (value) => `${(100 * value).toFixed(1)} %`;

function labels({ probabilities }, text, answer, make) {
  const ranked = Object.entries(probabilities).sort(([, a], [, b]) => b - a);
  const list = make("ol", "labels", "", answer);
  for (const [label, value] of ranked.slice(0, MOST_LABELS)) {
    const line = make("li", "", "", list);
    make("span", "", label, line);
    const bar = make("meter", "", "", line);
    bar.value = value;
    bar.setAttribute("aria-hidden", "true"); // the number beside it says the same
    make("strong", "", share(value), line);
  }
  if (ranked.length > MOST_LABELS) make("p", "notes", `and ${ranked.length - MOST_LABELS} labels less likely`, answer);
}

function spans({ spans: found }, text, answer, make) {
  const letters = [...text]; // offsets count characters, of which a string of JavaScript may take two each
  const marked = make("div", "marked", "", answer);
  let place = 0;
  for (const { label, start, end } of found) {
    marked.append(letters.slice(place, start).join(""));
    const mark = make("mark", "", letters.slice(start, end).join(""), marked);
    make("small", "", label, mark);
    place = end;
  }
  marked.append(letters.slice(place).join(""));
  make("p", "notes", found.length === 1 ? "1 span" : `${found.length} spans`, answer);
}

let before = []; // texts asked on this page with their vectors

function vector({ embedding }, text, answer, make) {
  make("p", "", `A vector of ${embedding.length} numbers, of length 1.`, answer);
  const likeness = before.map((other) => [other.text, embedding.reduce((sum, value, n) => sum + value * other.embedding[n], 0)]);
  before.push({ text, embedding });
  if (!likeness.length) return void make("p", "notes", "Send another text: it will be compared with this one.", answer);
  const list = make("ol", "labels", "", answer);
  for (const [other, cosine] of likeness.sort(([, a], [, b]) => b - a).slice(0, MOST_LABELS)) {
    const line = make("li", "", "", list);
    make("span", "", other, line);
    const bar = make("meter", "", "", line);
    bar.value = Math.max(0, cosine);
    bar.setAttribute("aria-hidden", "true");
    make("strong", "", cosine.toFixed(3), line);
  }
  make("p", "notes", "Cosines with the texts before.", answer);
}

export const readings = {
  classify: { endpoint: "v1/classify", placeholder: "Text to sort", show: labels },
  tag: { endpoint: "v1/extract", placeholder: "Text to mark", show: spans },
  embed: { endpoint: "v1/embeddings", placeholder: "Text to compare", show: vector, clear: () => (before = []) },
};
