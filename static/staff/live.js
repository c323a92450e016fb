// Keeps the Live view up to date. Events only report a change; htmx fetches the rows. A new visitor
// is shown in the page title and, if switched on, announced by a sound. A browser plays a sound
// only after the person has pressed a button.
import { announce } from "../conversation/announce.js";
import { follow } from "../conversation/stream.js";
import { refetching } from "./refetching.js";

const live = document.getElementById("live");
const lostNotice = document.querySelector("[data-lost]"), sound = document.getElementById("sound");
const title = document.title;
const look = refetching(live);
// The number of all waiting visitors, and the highest id among them: they may be on another page.
const waiting = () => {
  const { waiting: number, latest } = live.querySelector("[data-waiting]").dataset;
  return { number: Number(number), latest: Number(latest) };
};
let known = waiting(), audio;

const beep = () => {
  const tone = audio.createOscillator(), volume = audio.createGain();
  tone.frequency.value = 660;
  volume.gain.setValueAtTime(0.15, audio.currentTime);
  volume.gain.exponentialRampToValueAtTime(0.001, audio.currentTime + 0.4);
  tone.connect(volume).connect(audio.destination);
  tone.start();
  tone.stop(audio.currentTime + 0.4);
};
const isOn = () => sound.getAttribute("aria-pressed") === "true";
sound.hidden = !window.AudioContext;
sound.addEventListener("click", () => {
  sound.setAttribute("aria-pressed", String(!isOn()));
  if (!isOn()) return;
  audio ??= new AudioContext();
  audio.resume();
  beep();
});

const tell = () => {
  const now = waiting();
  document.title = now.number ? `(${now.number}) ${title}` : title;
  if (now.number > known.number || now.latest > known.latest) {
    announce(live.dataset.arrived);
    if (isOn()) beep();
  }
  known = now;
};
tell();
live.addEventListener("htmx:afterSwap", tell);

follow(live.dataset.stream, {
  after: live.dataset.after,
  credentials: true,
  look,
  lost: (isLost) => { lostNotice.hidden = !isLost; },
  on: { changed: () => look().catch(() => {}), denied: () => location.reload() },
});
