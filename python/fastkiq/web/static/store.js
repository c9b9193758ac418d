// This browser's own choices. A browser that keeps nothing (private modes) goes by the usual ones.
export function recall(name, usual) {
  try {
    return localStorage.getItem("fastkiq." + name) ?? usual;
  } catch {
    return usual;
  }
}

export function keep(name, value) {
  try {
    localStorage.setItem("fastkiq." + name, value);
  } catch {
    // nothing can be done, and nothing depends on it
  }
}
