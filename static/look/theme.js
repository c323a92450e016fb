// Loaded early, so that no page first appears in the wrong colors. Without it, the device setting
// is used. It is a classic script, because a module runs after the first paint.
(() => {
  const device = matchMedia("(prefers-color-scheme: dark)");

  function choice() {
    try {
      return localStorage.getItem("theme") || "auto";
    } catch {
      return "auto";
    }
  }

  function apply(chosen = choice()) {
    const dark = chosen === "dark" || (chosen === "auto" && device.matches);
    document.documentElement.dataset.bsTheme = dark ? "dark" : "light";
    document.querySelectorAll("[data-theme-choice]").forEach((button) => {
      button.setAttribute("aria-pressed", String(button.dataset.themeChoice === chosen));
    });
  }

  function choose(name) {
    try {
      localStorage.setItem("theme", name);
    } catch {
      // Storage is not available. The choice is then kept until the page is left.
    }
    apply(name);
  }

  device.addEventListener("change", () => apply());
  addEventListener("storage", () => apply());
  apply();
  document.addEventListener("DOMContentLoaded", () => {
    document.querySelectorAll("[data-theme-switch]").forEach((element) => { element.hidden = false; });
    apply();
  });
  document.addEventListener("click", ({ target }) => {
    const button = target.closest("[data-theme-choice]");
    if (button) choose(button.dataset.themeChoice);
  });
})();
