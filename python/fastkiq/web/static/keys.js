// Keys: "/" searches, "g" and a letter goes to a page, "l" turns live on or off, "?" shows them. They can be turned off.
import { keep, recall } from "./store.js";

const PATIENCE = 1500; // ms between "g" and its letter

export function startKeys(live) {
  const box = document.querySelector("[data-keys-toggle]");
  let on = recall("keys", "on") === "on";
  let waiting = 0;
  if (box) {
    box.checked = on;
    box.addEventListener("change", () => {
      on = box.checked;
      keep("keys", on ? "on" : "off");
    });
  }

  document.addEventListener("keydown", (event) => {
    if (!on || event.ctrlKey || event.metaKey || event.altKey || event.isComposing || typing(event.target)) return;
    if (document.querySelector("dialog[open]")) return;
    const second = Date.now() < waiting;
    waiting = 0;
    if (second) {
      const link = document.querySelector(`.tabs a[data-key="${CSS.escape(event.key)}"]`);
      if (link) {
        event.preventDefault();
        link.click();
      }
    } else if (event.key === "g") {
      waiting = Date.now() + PATIENCE;
    } else if (event.key === "/") {
      event.preventDefault();
      document.getElementById("search")?.focus();
    } else if (event.key === "l") {
      live.toggle();
    } else if (event.key === "?") {
      document.getElementById("help")?.showModal();
    }
  });
}

function typing(element) {
  return element.closest("input:not([type=checkbox]):not([type=radio]), textarea, select, [contenteditable]") !== null;
}
