// Elements of the page, found or made. A text is inserted as text, never read as HTML.

export const element = (id) => document.getElementById(id);

export function make(tag, className, text, parent) {
  const node = document.createElement(tag);
  node.className = className;
  node.textContent = text;
  parent?.append(node);
  return node;
}
