// A search goes on part by part: what each part finds is added to what is there. Rests while the page is hidden.
import { showTimes } from "./time.js";

const PAUSE = 30; // ms
const LONGEST_PAUSE = 10_000; // ms
let pause = PAUSE;

async function look() {
  const link = document.querySelector("#progress [data-goes-on]");
  if (!link) return;
  if (document.hidden) {
    document.addEventListener("visibilitychange", look, { once: true });
    return;
  }
  try {
    const response = await fetch(link.href, { headers: { "X-Fastkiq-Live": "1" }, cache: "no-store" });
    if (!response.ok) throw new Error(String(response.status));
    const fresh = new DOMParser().parseFromString(await response.text(), "text/html");
    showTimes(fresh);
    add(fresh.getElementById("results"));
    document.querySelector("#progress").replaceChildren(...fresh.getElementById("progress").childNodes);
    pause = PAUSE;
  } catch {
    pause = Math.min(pause * 2, LONGEST_PAUSE);
  }
  setTimeout(look, pause);
}

function add(fresh) {
  const results = document.getElementById("results");
  const rows = results.querySelector("tbody");
  const more = fresh.querySelector("tbody");
  if (!more) {
    if (!rows && fresh.firstElementChild) results.replaceChildren(...fresh.childNodes);
  } else if (!rows) {
    results.replaceChildren(...fresh.childNodes);
  } else {
    const known = new Set([...rows.rows].map((row) => row.dataset.key));
    for (const row of [...more.rows]) if (!known.has(row.dataset.key)) rows.append(row);
  }
}

setTimeout(look, PAUSE);
