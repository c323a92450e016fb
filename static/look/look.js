// Small comforts; every page works without them.
(() => {
  const all = (selector, root = document) => root.querySelectorAll(selector);

  function prepare(root = document) {
    // Only a page of a secure address may write to the clipboard.
    const copyable = navigator.clipboard ? ", [data-copy]" : "";
    all(`[data-theme-switch], [data-dismiss], [data-print], [data-check-all]${copyable}`, root).forEach((element) => {
      element.hidden = false;
    });
    countChosen();
  }

  // Says on a button how many boxes are ticked: <span data-chosen="name of the boxes"></span>. With none it is off.
  function countChosen() {
    all("[data-chosen]").forEach((place) => {
      const count = all(`input[type=checkbox][name="${CSS.escape(place.dataset.chosen)}"]:checked`).length;
      place.textContent = count ? `(${count})` : "";
      place.closest("button").disabled = !count;
    });
  }

  function markTheme() {
    all("[data-theme-choice]").forEach((button) => {
      button.setAttribute("aria-pressed", String(button.dataset.themeChoice === window.theme.choice()));
    });
  }

  function announce(text) {
    let place = document.getElementById("announcement");
    if (!place) {
      place = document.createElement("div");
      place.id = "announcement";
      place.className = "visually-hidden";
      place.setAttribute("role", "status");
      document.body.append(place);
    }
    place.textContent = text;
  }
  window.announce = announce;

  async function copy(button) {
    await navigator.clipboard.writeText(button.dataset.copy);
    button.classList.add("copied");
    announce(button.dataset.copied || "");
    setTimeout(() => button.classList.remove("copied"), 1500);
  }

  document.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (button?.dataset.themeChoice) {
      window.theme.choose(button.dataset.themeChoice);
      markTheme();
    }
    if (button && "dismiss" in button.dataset) button.closest(".alert").remove();
    if (button && "copy" in button.dataset) copy(button);
    if (button && "print" in button.dataset) window.print();
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

  // A form whose answer can't be swapped in is sent as a page, which says what is wrong.
  ["htmx:responseError", "htmx:sendError"].forEach((name) => {
    document.addEventListener(name, (event) => {
      if (event.detail.elt instanceof HTMLFormElement) event.detail.elt.submit();
    });
  });
  document.addEventListener("htmx:load", (event) => prepare(event.target));
  prepare();
  markTheme();
})();
