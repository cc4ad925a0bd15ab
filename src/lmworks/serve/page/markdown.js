// Markdown as elements. markdown-it reads it; of what it finds only the elements named here are made, with no attributes but
// those set here, and every text is inserted as text. Nothing is loaded from elsewhere: an image becomes a link.

import "./markdown-it.min.js";
import { make } from "./elements.js";

const parser = globalThis.markdownit({ breaks: true, linkify: true });
parser.linkify.set({ fuzzyLink: false, fuzzyEmail: false }); // addresses alone, no words that look like a host
const linkless = globalThis.markdownit({ breaks: true }).disable(["reference", "link", "image", "autolink"]); // of quotes
const TAGS = ["p", "ul", "ol", "li", "blockquote", "hr", "br", "thead", "tbody", "tr", "th", "td", "em", "strong", "s"];
const SCHEMES = ["http:", "https:", "mailto:"];
const DEEPEST = 32; // elements in elements: thousands end the page
let level; // of the heading before: the page's own is the first, and none leaves one out

export function showMarkdown(text, place, isQuoted) {
  // Show it in a place that may hold the beginning of it: what is there already stays, with what is selected in it.
  const fresh = document.createElement("div");
  level = 1;
  build((isQuoted ? linkless : parser).parse(text, {}), fresh);
  const nodes = [...fresh.childNodes];
  let same = 0;
  while (same < nodes.length && place.childNodes[same]?.isEqualNode(nodes[same])) same++;
  while (place.childNodes.length > same) place.lastChild.remove();
  place.append(...nodes.slice(same));
}

function build(tokens, place) {
  const open = [place];
  for (const token of tokens) {
    const parent = open.at(-1);
    if (token.hidden) continue; // the paragraphs of a tight list
    if (token.type === "inline") build(token.children, parent);
    else if (token.nesting < 0) open.pop();
    else if (token.type === "text") parent.append(token.content);
    else if (token.nesting > 0 && open.length > DEEPEST) open.push(parent);
    else {
      const inner = elementOf(token, parent);
      if (token.nesting > 0) open.push(inner);
    }
  }
}

function elementOf(token, parent) {
  // Append the element of a token; returns what its content goes into.
  if (token.type === "fence" || token.type === "code_block") return codeBlock(token, parent);
  if (token.type === "code_inline") return make("code", "", token.content, parent);
  if (token.type === "softbreak") return make("br", "", "", parent);
  if (token.type === "heading_open") {
    level = Math.min(6, level + 1, Number(token.tag[1]) + 1);
    return make(`h${level}`, "", "", parent);
  }
  if (token.type === "link_open") return link(token.attrGet("href"), "", parent);
  if (token.type === "image") return link(token.attrGet("src"), token.content || "image", parent);
  if (token.type === "table_open") {
    const wide = make("div", "wide", "", parent);
    wide.tabIndex = 0; // keys scroll it
    return make("table", "", "", wide);
  }
  if (!TAGS.includes(token.tag)) return make("span", "", token.content, parent);
  const node = make(token.tag, "", "", parent);
  if (token.tag === "ol") node.start = token.attrGet("start") ?? 1;
  node.className = token.attrGet("style")?.match(/right|center/)?.[0] ?? ""; // of a table's cell
  return node;
}

function codeBlock(token, parent) {
  const block = make("div", "code", "", parent);
  const bar = make("div", "bar", "", block);
  make("span", "", token.info.trim().split(/\s/)[0], bar);
  make("button", "", "Copy", bar).type = "button";
  const text = make("pre", "", "", block);
  text.tabIndex = 0;
  return make("code", "", token.content.replace(/\n$/, ""), text);
}

function link(address, text, parent) {
  const url = URL.canParse(address) ? new URL(address) : null; // an address of this server is none
  if (!SCHEMES.includes(url?.protocol) || parent.closest("a")) return make("span", "", text, parent);
  const node = make("a", "", text, parent);
  node.href = node.title = url.href;
  node.rel = "noopener noreferrer";
  node.target = "_blank";
  return node;
}
