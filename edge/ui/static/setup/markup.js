// Elements described as plain values and brought onto the page, HTML and SVG alike. What stays the same is left in
// place, so that focus, a half-typed word and a pressed button survive when something else on the page changes.

const SVG = "http://www.w3.org/2000/svg";
const described = new WeakMap(); // what each element on the page was last described as

/** An element: its tag, its attributes (`on…` are listeners, `key` tells it from its like) and what is in it. */
export function h(tag, attributes = {}, ...inside) {
  return { tag, attributes: attributes ?? {}, inside };
}

/** Let the parent hold these, in this order. */
export function show(parent, ...inside) {
  const wanted = named(inside);
  const there = new Map();
  for (const node of [...parent.childNodes]) {
    const name = described.get(node)?.name;
    if (wanted.has(name)) there.set(name, node);
    else node.remove();
  }
  let place = parent.firstChild;
  for (const [name, one] of wanted) {
    const node = there.get(name) ?? made(parent, one);
    if (node === place) place = place.nextSibling;
    else parent.insertBefore(node, place);
    become(node, one, name);
  }
}

/** Each by a name of its own: its key where it has one, else its tag and place. */
function named(inside) {
  const found = inside.flat(Infinity).filter((one) => one !== null && one !== undefined && one !== false);
  return new Map(found.map((one, place) => [nameOf(one, place), one]));
}

function nameOf(one, place) {
  if (typeof one !== "object") return `words ${place}`;
  return `${one.tag} ${one.attributes.key ?? `at ${place}`}`;
}

function made(parent, one) {
  if (typeof one !== "object") return document.createTextNode("");
  const svg = one.tag === "svg" || parent.namespaceURI === SVG;
  return svg ? document.createElementNS(SVG, one.tag) : document.createElement(one.tag);
}

function become(node, one, name) {
  const before = described.get(node)?.attributes ?? {};
  described.set(node, { name, attributes: one.attributes ?? {} });
  if (typeof one !== "object") {
    if (node.data !== String(one)) node.data = one;
    return;
  }
  for (const key of Object.keys(before)) if (!(key in one.attributes)) set(node, key, null);
  show(node, ...one.inside);
  for (const [key, value] of Object.entries(one.attributes)) if (value !== before[key]) set(node, key, value);
}

function set(node, key, value) {
  if (key === "key") return;
  if (key.startsWith("on")) node[key] = value;
  else if (key === "value" || key === "checked") node[key] = value ?? "";
  else if (key === "style") for (const [name, said] of Object.entries(value ?? {})) node.style.setProperty(name, said);
  else if (value === null || value === undefined || value === false) node.removeAttribute(key);
  else node.setAttribute(key, value === true ? "" : value);
}
