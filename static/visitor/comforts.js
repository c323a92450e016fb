// Copies a link and prints the page; both can be done without this script.
(() => {
  const show = (selector) => document.querySelectorAll(selector).forEach((button) => { button.hidden = false; });
  show("[data-print]");
  // Only a page of a secure address may write to the clipboard.
  if (navigator.clipboard) show("[data-copy]");

  const say = (text) => {
    const place = document.createElement("span");
    place.className = "visually-hidden";
    place.setAttribute("role", "status");
    document.body.append(place);
    setTimeout(() => { place.textContent = text; }, 50);
    setTimeout(() => place.remove(), 3000);
  };

  document.addEventListener("click", async (event) => {
    const button = event.target.closest("button");
    if (button && "print" in button.dataset) window.print();
    if (!button || !("copy" in button.dataset)) return;
    try {
      await navigator.clipboard.writeText(button.dataset.copy);
    } catch {
      return; // refused in a frame: the link itself stands beside
    }
    button.classList.add("copied");
    say(button.dataset.copied);
    setTimeout(() => button.classList.remove("copied"), 1500);
  });
})();
