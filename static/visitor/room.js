// Keeps the conversation up to date without losing typed text. Without this script, a frame reloads
// itself.
import { follow } from "../conversation/stream.js";

const box = document.getElementById("conversation");
const lostNotice = document.querySelector("[data-lost]");
const lines = () => box.querySelector("#lines");
const fragment = (html) => document.createRange().createContextualFragment(html);
const toEnd = () => { box.scrollTop = box.scrollHeight; };
box.hidden = false;
toEnd();

// Scrolls to the new line only if the reader was at the end or wrote the line.
const add = (html) => {
  const isAtEnd = box.scrollHeight - box.scrollTop - box.clientHeight < 80;
  const line = fragment(html).firstElementChild;
  if (line.id && document.getElementById(line.id)) return;
  box.querySelector("[data-empty]")?.remove();
  box.querySelector(".transcript").append(line);
  if (isAtEnd || line.matches(".visitor")) toEnd();
};
const tell = (name) => { document.dispatchEvent(new Event(name)); }; // for call.js
const waits = (isWaiting) => { box.querySelector("[data-waiting]").hidden = !isWaiting; };

const isTyped = () => [...document.querySelectorAll("#write :is(textarea, input)")].some((field) => field.value.trim());

// The conversation is over. Load the room, unless typed text would be lost. Then show the end in
// place.
const end = (...said) => {
  stop();
  tell("call:over");
  if (!isTyped()) return location.replace(box.dataset.room);
  document.body.dataset.state = "ended"; // for frame.js
  lostNotice.hidden = true;
  lines().append(...said);
  return toEnd();
};
// Removes everything of an anonymized conversation from the page, except the text being typed.
const erase = (notice) => {
  stop();
  tell("call:over");
  lostNotice.hidden = true;
  lines().replaceChildren(notice);
  document.querySelectorAll(".leave, .agreed, #write details").forEach((part) => part.remove());
  const text = document.querySelector("#write textarea");
  text.readOnly = true;
  if (text.value.trim()) document.querySelectorAll("#write :is(button, .hint)").forEach((part) => part.remove());
  else document.getElementById("write").remove();
};

// Fetches the page while the stream is unavailable.
const look = async () => {
  const response = await fetch(box.dataset.poll, { cache: "no-store", credentials: "omit" });
  if (!response.ok && response.status !== 404) throw new Error(response.statusText);
  const page = new DOMParser().parseFromString(await response.text(), "text/html");
  if (response.status === 404) return erase(page.querySelector("h1"));
  tell("call:signal");
  const fetched = page.getElementById("lines");
  if (fetched.dataset.state === "waiting" && lines().dataset.state === "active") tell("call:left");
  if (fetched.dataset.state === "closed") return end(fetched.querySelector(".notice"));
  if (fetched.innerHTML.trim() !== lines().innerHTML.trim()) {
    lines().replaceWith(document.adoptNode(fetched));
    toEnd();
  }
};

const stop = follow(box.dataset.stream, {
  after: box.dataset.after,
  look,
  lost: (isLost) => { lostNotice.hidden = !isLost; },
  on: {
    line: add,
    joined: (html) => { lines().dataset.state = "active"; waits(false); add(html); },
    left: (html) => { lines().dataset.state = "waiting"; add(html); waits(true); tell("call:left"); },
    signal: () => tell("call:signal"),
    ended: (html) => end(fragment(html)),
    erased: (html) => erase(fragment(html)),
  },
});

// The stream also delivers the visitor's own messages. Without a stream, fetch them immediately.
document.addEventListener("composer:sent", () => { if (!stop.isOpen()) look().catch(() => {}); });
// The room no longer accepts input. Show the page that said so.
document.addEventListener("composer:refused", ({ detail: page }) => {
  if (!page.querySelector(".room")) return erase(page.querySelector("h1"));
  stop();
  tell("call:over");
  document.querySelector("main").replaceWith(document.adoptNode(page.querySelector("main")));
  document.querySelector(".leave")?.remove();
});
