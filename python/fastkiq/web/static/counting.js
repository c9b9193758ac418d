// While groups are being counted their page is asked for more often than others: each answer counts on.
import { morph } from "./morph.js";
import { showTimes } from "./time.js";

const PAUSE = 100; // ms
const LONGEST_PAUSE = 10_000; // ms
let pause = PAUSE;

async function count() {
  const groups = document.getElementById("groups");
  if (!("counting" in groups.dataset)) return;
  if (document.hidden) {
    document.addEventListener("visibilitychange", count, { once: true });
    return;
  }
  try {
    const response = await fetch(location.href, { headers: { "X-Fastkiq-Live": "1" }, cache: "no-store" });
    if (!response.ok) throw new Error(String(response.status));
    const fresh = new DOMParser().parseFromString(await response.text(), "text/html");
    showTimes(fresh);
    if (document.getSelection()?.isCollapsed !== false) morph(groups, fresh.getElementById("groups"));
    pause = PAUSE;
  } catch {
    pause = Math.min(pause * 2, LONGEST_PAUSE);
  }
  setTimeout(count, pause);
}

setTimeout(count, PAUSE);
