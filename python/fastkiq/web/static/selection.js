// Ticked rows: the box in a table's head ticks all, and buttons that need a ticked row wait for one.
import { text } from "./texts.js";

export function startSelection() {
  document.addEventListener("change", (event) => {
    const box = event.target;
    if (box.type !== "checkbox" || !box.form) return;
    if ("selectAll" in box.dataset) for (const each of boxes(box.form)) each.checked = box.checked;
    show(box.form);
  });
  document.addEventListener("fastkiq:updated", showAll);
  showAll();
}

function showAll() {
  const forms = new Set();
  for (const element of document.querySelectorAll("[data-needs-selection], [data-select-all]")) forms.add(element.form);
  for (const form of forms) if (form) show(form);
}

function boxes(form) {
  return [...form.elements].filter((each) => each.type === "checkbox" && each.name === "key");
}

function show(form) {
  const all = boxes(form);
  const ticked = all.filter((each) => each.checked).length;
  for (const each of form.elements) {
    if ("needsSelection" in each.dataset) each.disabled = ticked === 0;
    if ("selectAll" in each.dataset) {
      each.hidden = false;
      each.checked = ticked > 0 && ticked === all.length;
      each.indeterminate = ticked > 0 && ticked < all.length;
    }
  }
  for (const each of form.querySelectorAll("[data-selected]")) each.textContent = ticked ? text("selected", { count: ticked }) : "";
}
