// What has more parts goes on by itself: a form, or a link, with data-goes-on. Not while the page is hidden.
const PAUSE = 150; // ms, to be read and stopped
const next = document.querySelector("[data-goes-on]");

function go() {
  if (document.hidden) document.addEventListener("visibilitychange", go, { once: true });
  else if (next instanceof HTMLFormElement) next.requestSubmit();
  else location.replace(next.href);
}

if (next) setTimeout(go, PAUSE);
