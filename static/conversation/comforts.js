// Copies a link and prints the page. Both are possible without this script.
import { announce } from "./announce.js";
import "./limits.js";

// Shows the buttons that need this script. A page that swaps in a part calls it for that part.
export const showComforts = (root = document) => {
  const show = (selector) => root.querySelectorAll(selector).forEach((button) => { button.hidden = false; });
  show("[data-print]");
  // Only a page with a secure origin may write to the clipboard.
  if (navigator.clipboard) show("[data-copy]");
};

const copy = async (button) => {
  try {
    await navigator.clipboard.writeText(button.dataset.copy);
  } catch {
    // In a frame, the browser may refuse. The text is also shown next to the button.
    return;
  }
  button.classList.add("copied");
  announce(button.dataset.copied);
  setTimeout(() => button.classList.remove("copied"), 1500);
};

document.addEventListener("click", ({ target }) => {
  const button = target.closest("button");
  if (button && "print" in button.dataset) window.print();
  if (button && "copy" in button.dataset) copy(button);
});
showComforts();
