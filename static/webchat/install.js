// Updates the preview of the button while typing and choosing. Without this script, it shows the
// stored button.
const root = document.getElementById("button-preview").shadowRoot;
const button = root?.querySelector("button");
document.addEventListener("input", ({ target }) => {
  if (!button) return;
  if ("previewPosition" in target.dataset) root.querySelector("div").className = target.value;
  if ("previewText" in target.dataset) {
    button.textContent = target.value.trim() || target.dataset.previewText;
    button.className = `button ${target.name.split("_")[0]}`;
  }
});
