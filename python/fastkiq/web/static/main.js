// What every page does with a script; without one it can still be read, and its forms posted.
import { startLive } from "./live.js";
import { showTimes } from "./time.js";
import { startDialogs } from "./dialogs.js";
import { startKeys } from "./keys.js";
import { startSelection } from "./selection.js";

document.documentElement.classList.add("js");
for (const element of document.querySelectorAll("[data-js]")) element.hidden = false;
for (const form of document.querySelectorAll("form[data-submit-on-change]")) {
  form.addEventListener("change", () => form.requestSubmit());
}
document.querySelector(".tabs [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });
showTimes(document);
startDialogs();
startSelection();
const live = startLive();
startKeys(live);
