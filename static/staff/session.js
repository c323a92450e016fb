// Keeps an open conversation up to date on its page: events only say that something has changed, htmx fetches it.
import { follow } from "../conversation/stream.js";
import { refetching } from "./refetching.js";

const transcript = document.getElementById("transcript");
const lostNotice = document.querySelector("[data-lost]");
const look = refetching(transcript);
const refresh = () => { look().catch(() => {}); };
const fields = () => [...document.querySelectorAll("#content :is(textarea, input:not([type=hidden]))")];
// What came back in the answer's field is the field's default, and not sent either.
const isTyped = () => fields().some((field) => field.value !== field.defaultValue || (field.name === "text" && field.value));

// Buttons and facts have changed: load the page, unless something typed would be lost; then say it in place.
const changed = () => {
  if (isTyped()) refresh();
  else location.replace(transcript.dataset.page);
};
const tell = (name) => { document.dispatchEvent(new Event(name)); }; // for call.js
const over = () => { stop(); tell("call:over"); changed(); };
// Handed back, here or in another window: the call is not ours any more.
const given = () => { tell("call:over"); changed(); };
// Beside what is being typed nothing stays of an anonymized session: the answer brings the rest, and a stored note that
// nobody has changed goes here.
const erased = () => {
  for (const field of fields()) if (field.value === field.defaultValue) field.value = field.defaultValue = "";
  over();
};

const stop = follow(transcript.dataset.stream, {
  after: transcript.dataset.after,
  credentials: true,
  look: () => { tell("call:signal"); return look(); },
  lost: (isLost) => { lostNotice.hidden = !isLost; },
  on: {
    line: refresh, signal: () => tell("call:signal"), joined: changed, left: given, ended: over, erased, denied: over,
  },
});
document.addEventListener("composer:sent", () => { if (!stop.isOpen()) refresh(); });
// Somebody else took it, or it is over: show the page that said so, with what was not sent.
document.addEventListener("composer:refused", ({ detail: page }) => {
  stop();
  tell("call:over");
  document.querySelector("main").replaceWith(document.adoptNode(page.querySelector("main")));
});
