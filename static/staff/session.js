// Keeps the page of an open conversation up to date. Events only report a change; htmx fetches it.
import { follow } from "../conversation/stream.js";
import { refetching } from "./refetching.js";

const transcript = document.getElementById("transcript");
const lostNotice = document.querySelector("[data-lost]");
const look = refetching(transcript);
const refresh = () => { look().catch(() => {}); };
const fields = () => [...document.querySelectorAll("#content :is(textarea, input:not([type=hidden]))")];
// Text that the server returned in the answer field is the field's default. It has not been sent.
const isTyped = () => fields().some((field) => field.value !== field.defaultValue || (field.name === "text" && field.value));

// Buttons and facts have changed. Load the page, unless typed text would be lost. Then refresh in
// place.
const changed = () => {
  if (isTyped()) refresh();
  else location.replace(transcript.dataset.page);
};
const tell = (name) => { document.dispatchEvent(new Event(name)); }; // for call.js
const over = () => { stop(); tell("call:over"); changed(); };
// The conversation was returned to the queue, here or in another window. Its call is over for us.
const given = () => { tell("call:over"); changed(); };
// Next to typed text, nothing of an anonymized session may remain. The answer replaces the other
// parts, and a stored note that was not changed is cleared here.
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
// Another operator took the conversation, or it has ended. Show the page that said so, with the
// text that was not sent.
document.addEventListener("composer:refused", ({ detail: page }) => {
  stop();
  tell("call:over");
  document.querySelector("main").replaceWith(document.adoptNode(page.querySelector("main")));
});
