// Says a text to a screen reader, without showing it.
const place = document.createElement("div");
place.id = "announcement";
place.className = "visually-hidden";
place.setAttribute("role", "status");
document.body.append(place);

export const announce = (text) => {
  // A text that is the same as the last one is read only if it changes in between.
  place.textContent = "";
  setTimeout(() => { place.textContent = text; }, 50);
};
