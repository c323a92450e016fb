// Loaded early, so that no page flashes in the wrong colours. Without it the device's own choice counts.
(() => {
  const device = matchMedia("(prefers-color-scheme: dark)");

  function choice() {
    try {
      return localStorage.getItem("theme") || "auto";
    } catch {
      return "auto";
    }
  }

  function apply() {
    const chosen = choice();
    const dark = chosen === "dark" || (chosen === "auto" && device.matches);
    document.documentElement.dataset.bsTheme = dark ? "dark" : "light";
  }

  device.addEventListener("change", apply);
  addEventListener("storage", apply);
  apply();
  window.theme = {
    choice,
    choose(name) {
      try {
        localStorage.setItem("theme", name);
      } catch {
        // Storage is closed: the choice cannot be kept.
      }
      apply();
    },
  };
})();
