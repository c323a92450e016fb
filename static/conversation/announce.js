// Announces a text to screen readers without showing it.
const place = document.createElement("div");
place.id = "announcement";
place.className = "visually-hidden";
place.setAttribute("role", "status");
document.body.append(place);

export const announce = (text) => {
  // A screen reader announces the same text again only if the element was empty in between.
  place.textContent = "";
  setTimeout(() => { place.textContent = text; }, 50);
};
