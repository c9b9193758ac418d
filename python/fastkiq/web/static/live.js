// Pages that stay fresh: this URL is asked again every few seconds, and what is marked data-live (and has an id) is
// brought up to date. Rests while the page is hidden or the user is selecting text; backs off when nobody answers.
import { morph } from "./morph.js";
import { keep, recall } from "./store.js";
import { language, text } from "./texts.js";
import { showTimes } from "./time.js";

const CHOICES = ["2", "5", "10", "30"];
const LONGEST_PAUSE = 60_000; // ms
const PATIENCE = 15_000; // ms until an answer counts as lost

export function startLive() {
  const toggle = document.querySelector("[data-live-toggle]");
  const choice = document.querySelector("[data-live-interval]");
  const note = document.getElementById("live-note");
  const state = { on: recall("live", "on") === "on", seconds: 5, failures: 0, timer: 0, asking: false };
  if (!toggle || !document.querySelector("[data-live][id]")) return { toggle() {} };

  const stored = recall("interval", "5");
  state.seconds = Number(CHOICES.includes(stored) ? stored : "5");
  toggle.hidden = false;
  if (choice) {
    choice.value = String(state.seconds);
    choice.addEventListener("change", () => {
      state.seconds = Number(choice.value);
      keep("interval", choice.value);
      plan();
    });
  }
  toggle.addEventListener("click", turn);
  document.addEventListener("visibilitychange", () => (document.hidden ? plan() : soon()));
  show();
  plan();
  return { toggle: turn };

  function turn() {
    state.on = !state.on;
    keep("live", state.on ? "on" : "off");
    show();
    if (state.on) soon();
    else plan();
  }

  function show() {
    toggle.setAttribute("aria-pressed", String(state.on));
    toggle.classList.toggle("live-lost", state.on && state.failures > 0);
    toggle.querySelector("[data-live-label]").textContent = text(state.on ? "Live" : "Paused");
  }

  function plan() {
    clearTimeout(state.timer);
    if (!state.on || document.hidden) return;
    const pause = Math.min(state.seconds * 1000 * 2 ** Math.min(state.failures, 5), LONGEST_PAUSE);
    state.timer = setTimeout(refresh, pause);
  }

  function soon() {
    clearTimeout(state.timer);
    if (state.on) state.timer = setTimeout(refresh, 50);
  }

  async function refresh() {
    if (state.asking) return;
    state.asking = true;
    try {
      const response = await fetch(location.href, {
        headers: { "X-Fastkiq-Live": "1" },
        cache: "no-store",
        redirect: "error",
        signal: AbortSignal.timeout(PATIENCE),
      });
      if (response.status === 404) {
        note.textContent = text("gone");
        state.on = false;
        show();
        return;
      }
      if (!response.ok) throw new Error(String(response.status));
      update(await response.text());
      if (state.failures > 0) note.textContent = text("back");
      else if (note.textContent) note.textContent = "";
      state.failures = 0;
      toggle.title = text("updated", { time: new Date().toLocaleTimeString(language) });
    } catch {
      state.failures += 1;
      if (!document.hidden) note.textContent = text("lost");
    } finally {
      state.asking = false;
      show();
      plan();
    }
  }
}

function update(html) {
  const fresh = new DOMParser().parseFromString(html, "text/html");
  showTimes(fresh);
  for (const element of fresh.querySelectorAll("[data-js]")) element.hidden = false;
  const selection = document.getSelection();
  for (const element of document.querySelectorAll("[data-live][id]")) {
    const wanted = fresh.getElementById(element.id);
    const reading = selection && !selection.isCollapsed && selection.containsNode(element, true);
    if (wanted && !reading) morph(element, wanted);
  }
  document.dispatchEvent(new CustomEvent("fastkiq:updated"));
}
