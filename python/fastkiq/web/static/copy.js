// <button data-copy="ID">: puts the text of that element on the clipboard, and says so (data-copied) for a moment.
for (const button of document.querySelectorAll("[data-copy]")) {
  const usual = button.textContent;
  button.addEventListener("click", async () => {
    const from = document.getElementById(button.dataset.copy);
    try {
      await navigator.clipboard.writeText(from.value ?? from.textContent);
      button.textContent = button.dataset.copied;
      setTimeout(() => (button.textContent = usual), 2000);
    } catch {
      // no clipboard without HTTPS: the text is there to be selected
      const range = document.createRange();
      if (from.hidden) return;
      range.selectNodeContents(from);
      document.getSelection().removeAllRanges();
      document.getSelection().addRange(range);
    }
  });
}
