// Asks before a page with unsent input is left.
for (const form of document.querySelectorAll("form[data-unsaved-guard]")) {
  let isUnsaved = false;
  form.addEventListener("input", () => {
    isUnsaved = true;
  });
  form.addEventListener("submit", () => {
    isUnsaved = false;
  });
  window.addEventListener("beforeunload", (event) => {
    if (isUnsaved) event.preventDefault();
  });
}
