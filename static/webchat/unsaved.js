// Asks before a page is left on which something was typed that no button has sent yet.
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
