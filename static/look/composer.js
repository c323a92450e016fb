// Where messages are written, Enter sends and Shift + Enter breaks the line. (After a send the address names the
// text area, so that the browser itself puts the caret back into it.)
(() => {
  // Enter that ends a word of an input method sends nothing; Safari tells it by the old code alone.
  const isComposing = (event) => event.isComposing || event.keyCode === 229;

  for (const form of document.querySelectorAll("form[data-composer]")) {
    const text = form.querySelector("textarea");
    let isSent = false;
    text.enterKeyHint = "send";
    form.querySelector("[data-composer-hint]").hidden = false;

    text.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || event.shiftKey || isComposing(event)) return;
      event.preventDefault();
      if (text.value.trim()) form.requestSubmit();
    });
    // A second Enter before the answer would say the same twice.
    form.addEventListener("submit", (event) => {
      if (isSent) event.preventDefault();
      isSent = true;
    });
    addEventListener("pageshow", () => { isSent = false; });
  }
})();
