// Keeps the conversation up to date without losing what is being typed. Without this script a frame reloads itself.
(() => {
  const box = document.getElementById("conversation");
  if (!box) return;
  box.hidden = false;
  const toEnd = () => { box.scrollTop = box.scrollHeight; };
  toEnd();

  const OFTEN = 3000, SELDOM = 60000;
  let pause = OFTEN;

  const isTyped = () => [...document.querySelectorAll(".composer :is(textarea, input)")].some((field) => field.value.trim());

  // It is over: load what the room says now, unless something typed would be lost; then say it in place.
  const end = (...said) => {
    if (!isTyped()) return location.replace(box.dataset.room);
    document.body.dataset.state = "ended"; // for frame.js
    box.querySelector("#lines").replaceChildren(...said);
    return toEnd();
  };

  // Returns whether the conversation goes on.
  const refresh = async () => {
    const response = await fetch(box.dataset.poll, { cache: "no-store", credentials: "omit" });
    if (!response.ok && response.status !== 404) throw new Error(response.statusText);
    const page = new DOMParser().parseFromString(await response.text(), "text/html");
    if (response.status === 404) return end(page.querySelector("h1"));
    const lines = page.getElementById("lines");
    const old = box.querySelector("#lines");
    if (lines.dataset.state === "closed") return end(...lines.childNodes);
    if (lines.innerHTML.trim() !== old.innerHTML.trim()) {
      old.replaceWith(document.adoptNode(lines));
      toEnd();
    }
    return true;
  };

  const again = () => setTimeout(async () => {
    try {
      if (!await refresh()) return;
      pause = OFTEN;
    } catch {
      pause = Math.min(pause * 2, SELDOM);
    }
    again();
  }, pause);
  again();
})();
