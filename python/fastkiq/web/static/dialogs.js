// "Are you sure?" before a form with data-confirm, or by a button with one; what opens a dialog; and a double click posts once.
const TWICE = 2000; // ms
const sent = new WeakMap(); // form -> when

export function startDialogs() {
  document.addEventListener("submit", (event) => {
    const form = event.target;
    const button = event.submitter;
    const question = button?.dataset.confirm ?? form.dataset.confirm;
    if (!question || form.dataset.confirmed) {
      if (form.method === "post" && Date.now() - sent.get(form) < TWICE) event.preventDefault();
      else sent.set(form, Date.now());
      return;
    }
    event.preventDefault();
    confirmed(question, button).then((yes) => {
      if (!yes) return;
      const field = Object.assign(document.createElement("input"), { type: "hidden", name: "confirm", value: "1" });
      form.append(field);
      form.dataset.confirmed = "1";
      form.requestSubmit(button);
      delete form.dataset.confirmed;
      field.remove();
    });
  });
  for (const button of document.querySelectorAll("[data-open]")) {
    button.addEventListener("click", () => document.getElementById(button.dataset.open).showModal());
  }
}

function confirmed(question, button) {
  const dialog = document.getElementById("confirm");
  dialog.querySelector("#confirm-text").textContent = question;
  if (button) dialog.querySelector("[data-confirm-yes]").textContent = button.textContent.trim();
  dialog.returnValue = "no";
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true });
  });
}
