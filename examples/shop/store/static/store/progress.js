// Renews the progress of an order as long as it is under way. Without JavaScript there is a link.
const place = document.querySelector("[data-progress]");
let shown = "";

async function renew() {
  const answer = await fetch(place.dataset.progress).catch(() => null); // who is away for a moment is asked again
  const text = answer?.ok ? await answer.text() : shown;
  if (text !== shown) place.innerHTML = shown = text;
  later();
}

function later() {
  if (place.querySelector("[data-under-way]")) setTimeout(renew, 1000);
}

later();
