// Makes one element like another of a fresh page, touching only what differs: focus, text selections, ticks, what is
// typed and what is folded out stay. Children are matched by id or data-key, else by their place.
// What the user has set, or a script for the user.
const OURS = {
  open: () => true,
  checked: () => true,
  value: (element) => element.nodeName === "INPUT" && element.type !== "hidden",
  disabled: (element) => "needsSelection" in element.dataset,
};

function key(node) {
  return node.nodeType === Node.ELEMENT_NODE ? node.id || node.dataset.key || null : null;
}

export function morph(from, to) {
  if (from.nodeType !== to.nodeType || from.nodeName !== to.nodeName) {
    from.replaceWith(document.importNode(to, true));
    return;
  }
  if (from.nodeType !== Node.ELEMENT_NODE) {
    if (from.data !== to.data) from.data = to.data;
    return;
  }
  if ("static" in from.dataset) return;
  attributes(from, to);
  children(from, to);
}

function attributes(from, to) {
  for (const { name, value } of to.attributes) {
    if (!OURS[name]?.(from) && from.getAttribute(name) !== value) from.setAttribute(name, value);
  }
  for (const { name } of [...from.attributes]) {
    if (!OURS[name]?.(from) && !to.hasAttribute(name)) from.removeAttribute(name);
  }
}

function children(from, to) {
  const keyed = new Map();
  for (const child of from.childNodes) if (key(child) && !keyed.has(key(child))) keyed.set(key(child), child);
  let place = from.firstChild;
  for (const wanted of [...to.childNodes]) {
    const name = key(wanted);
    const held = name ? keyed.get(name) : place && !key(place) ? place : null;
    keyed.delete(name); // two jobs of a queue may be the same to the byte
    if (!held) {
      from.insertBefore(document.importNode(wanted, true), place);
      continue;
    }
    if (held === place) place = place.nextSibling;
    else from.insertBefore(held, place);
    morph(held, wanted);
  }
  while (place) {
    const gone = place;
    place = place.nextSibling;
    gone.remove();
  }
}
