// <time datetime data-time="relative|absolute|clock"> in the viewer's zone and language.
import { language } from "./texts.js";

const absolute = new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "medium" });
const clock = new Intl.DateTimeFormat(language, { timeStyle: "medium" });
const exact = new Intl.DateTimeFormat(language, { dateStyle: "full", timeStyle: "long" });
const relative = new Intl.RelativeTimeFormat(language, { numeric: "always", style: "short" });
const units = [["day", 86400], ["hour", 3600], ["minute", 60], ["second", 1]];

export function sinceNow(when, now = Date.now()) {
  const seconds = (when.getTime() - now) / 1000;
  const distance = Math.abs(seconds);
  if (distance >= 86400 * 30) return absolute.format(when);
  const [unit, size] = units.find(([, each]) => distance >= each) ?? units.at(-1);
  return relative.format(Math.trunc(seconds / size), unit);
}

function show(element, now) {
  const when = new Date(element.dateTime);
  if (Number.isNaN(when.getTime())) return;
  const style = element.dataset.time;
  const shown = style === "relative" ? sinceNow(when, now) : (style === "clock" ? clock : absolute).format(when);
  if (element.textContent !== shown) element.textContent = shown;
  if (!element.title) element.title = exact.format(when);
}

export function showTimes(root) {
  const now = Date.now();
  for (const element of root.querySelectorAll("time[data-time]")) show(element, now);
}

setInterval(() => {
  if (document.hidden) return;
  const now = Date.now();
  for (const element of document.querySelectorAll('time[data-time="relative"]')) show(element, now);
}, 1000);
