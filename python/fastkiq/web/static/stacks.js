// Live stacks: while one is looked at, its process is asked every few seconds, and the page of the job for the answer.
// <details data-stack="URL" data-process="IDENTITY"> (or a div) with a .stack-place inside. And the clocks of what runs.
import { showTimes } from "./time.js";

const PAUSE = 5000; // ms between two questions to a process: it answers once a heartbeat
const LOOK = 1000; // ms between two looks for the answer
const PATIENCE = 10_000; // ms
const texts = document.getElementById("stack-texts");
const form = texts.content.querySelector("input[name=csrf_token]");
const readOnly = "readOnly" in texts.dataset; // then only what others have asked for is shown
const asked = new Map(); // process -> when
const states = new WeakMap(); // place -> {told: time of the stack that is shown, looking, heard: the question that was answered}
const clocks = new WeakMap(); // element -> {told, since}

async function look(holder) {
  const place = holder.querySelector(".stack-place");
  const state = states.get(place) ?? { told: place.querySelector(".stack")?.dataset.at ?? "", looking: false };
  states.set(place, state);
  if (state.looking) return;
  state.looking = true;
  try {
    const process = holder.dataset.process;
    if (!(Date.now() - asked.get(process) < PAUSE)) {
      asked.set(process, Date.now());
      if (!readOnly) await send(process);
    }
    if (state.heard !== asked.get(process)) await fetched(holder, place, state);
  } catch {
    say(place, texts.dataset.failed);
  } finally {
    state.looking = false;
  }
}

async function send(process) {
  const body = new URLSearchParams({ identity: process, stacks: "1", csrf_token: form?.value ?? "" });
  const url = texts.dataset.url;
  await fetch(url, { method: "POST", body, headers: { "X-Fastkiq-Live": "1" }, signal: AbortSignal.timeout(PATIENCE) });
}

async function fetched(holder, place, state) {
  const headers = { "X-Fastkiq-Part": "stack", "X-Fastkiq-Live": "1" };
  const response = await fetch(holder.dataset.stack, { headers, cache: "no-store", redirect: "error", signal: AbortSignal.timeout(PATIENCE) });
  if (response.status === 404) {
    say(place, texts.dataset.ended);
    return;
  }
  if (!response.ok) throw new Error(String(response.status));
  const stack = new DOMParser().parseFromString(await response.text(), "text/html").getElementById("stack");
  const at = stack.dataset.at;
  if (!at && !readOnly) {
    say(place, texts.dataset.waiting);
    return;
  }
  if (at !== state.told || readOnly) state.heard = asked.get(holder.dataset.process); // no further look before the next question
  if (at === state.told && place.querySelector(".frames")) return;
  state.told = at;
  const selection = document.getSelection();
  if (selection && !selection.isCollapsed && selection.containsNode(place, true)) return;
  stack.removeAttribute("id");
  showTimes(stack);
  place.replaceChildren(document.importNode(stack, true));
}

function say(place, text) {
  if (place.querySelector(".frames") && text !== texts.dataset.ended) return;
  place.replaceChildren(Object.assign(document.createElement("p"), { className: "faint", textContent: text }));
}

function lookAtAll() {
  if (document.hidden) return;
  for (const holder of document.querySelectorAll("[data-stack]")) {
    if (holder.localName !== "details" || holder.open) look(holder);
  }
}

function showClocks() {
  for (const element of document.querySelectorAll("[data-elapsed]")) {
    const told = element.dataset.elapsed;
    let clock = clocks.get(element);
    if (clock?.told !== told) clocks.set(element, (clock = { told, since: performance.now() - Number(told) * 1000 }));
    const seconds = Math.floor((performance.now() - clock.since) / 1000);
    const two = (number) => String(number).padStart(2, "0");
    const [h, m, s] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
    const shown = h ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
    if (element.textContent !== shown) element.textContent = shown;
  }
}

document.addEventListener("click", async (event) => {
  const button = event.target.closest?.("[data-copy-stack]");
  if (!button) return;
  const from = button.closest(".stack").querySelector("code");
  try {
    await navigator.clipboard.writeText(from.textContent);
    const usual = button.textContent;
    button.textContent = button.dataset.copied;
    setTimeout(() => (button.textContent = usual), 2000);
  } catch {
    document.getSelection().selectAllChildren(from); // no clipboard without HTTPS: Ctrl-C is left
  }
});
document.addEventListener("toggle", (event) => event.target.open && lookAtAll(), true);
document.addEventListener("visibilitychange", lookAtAll);
document.addEventListener("fastkiq:updated", showClocks);
setInterval(lookAtAll, LOOK);
setInterval(() => document.hidden || showClocks(), 1000);
lookAtAll();
showClocks();
