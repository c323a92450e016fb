// Small conveniences. Every page works without them.
import { showComforts } from "../conversation/comforts.js";

const all = (selector, root = document) => root.querySelectorAll(selector);

function prepare(root = document) {
  all("[data-dismiss], [data-check-all]", root).forEach((element) => {
    element.hidden = false;
  });
  countChosen();
}

// Shows on a button how many boxes are selected, and disables the button if there are none:
// <span data-chosen="name of the boxes"></span>.
function countChosen() {
  all("[data-chosen]").forEach((place) => {
    const count = all(`input[type=checkbox][name="${CSS.escape(place.dataset.chosen)}"]:checked`).length;
    place.textContent = count ? `(${count})` : "";
    place.closest("button").disabled = !count;
  });
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (button && "dismiss" in button.dataset) button.closest(".alert").remove();
  all("details[data-menu][open]").forEach((menu) => {
    if (!menu.contains(event.target)) menu.open = false;
  });
});

document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  all("details[data-menu][open]").forEach((menu) => {
    menu.open = false;
    menu.querySelector("summary").focus();
  });
});

document.addEventListener("change", (event) => {
  const field = event.target;
  if ("autosubmit" in field.dataset) field.form.requestSubmit();
  if ("checkAll" in field.dataset) {
    all(`input[type=checkbox][name="${CSS.escape(field.dataset.checkAll)}"]:not(:disabled)`).forEach((box) => {
      box.checked = field.checked;
    });
  }
  if (field.type === "checkbox") countChosen();
});

// If the answer to a form cannot be swapped in, the form is submitted as a page, which shows the
// error.
["htmx:responseError", "htmx:sendError"].forEach((name) => {
  document.addEventListener(name, (event) => {
    if (event.detail.elt instanceof HTMLFormElement) event.detail.elt.submit();
  });
});
document.addEventListener("htmx:load", ({ target }) => {
  prepare(target);
  showComforts(target);
});
prepare();
