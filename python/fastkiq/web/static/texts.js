// Texts in the page's language, put there by the server.
const found = JSON.parse(document.getElementById("fastkiq-texts").textContent);

export function text(name, values = {}) {
  return found[name].replace(/\{(\w+)\}/g, (whole, key) => (key in values ? String(values[key]) : whole));
}

// The viewer's own kind of the page's language: British times are not American ones.
const page = document.documentElement.lang;
export const language = navigator.languages.find((each) => each.split("-")[0] === page.split("-")[0]) ?? page;
