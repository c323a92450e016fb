// Shows how many characters a text has, once it is near its limit. Nothing is cut: the server
// refuses a longer text, and the text can be shortened.
import { announce } from "./announce.js";

const NEAR = 0.9;

// The place is created when it is needed, behind the field and its errors.
const placeOf = (field) => {
  const place = field.parentElement.querySelector("[data-count]") ?? document.createElement("div");
  if (!place.isConnected) {
    place.dataset.count = "";
    place.className = "hint form-hint";
    field.after(place);
  }
  return place;
};

const count = (field) => {
  const limit = Number(field.dataset.limit);
  // Code points, as the server counts.
  const length = [...field.value].length, isOver = length > limit;
  const place = placeOf(field), wasOver = place.classList.contains("over");
  place.hidden = length < NEAR * limit;
  place.textContent = field.dataset.limitText.replace("{count}", length).replace("{limit}", limit);
  place.classList.toggle("over", isOver);
  if (isOver !== wasOver) announce(place.textContent);
};

const countAll = () => document.querySelectorAll("[data-limit]").forEach(count);

document.addEventListener("input", ({ target }) => {
  if ("limit" in target.dataset) count(target);
});
// A message that was sent leaves an empty field.
document.addEventListener("composer:sent", countAll);
// A text that was refused is shown again, and a browser restores a text after a reload.
countAll();
