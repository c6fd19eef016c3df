"use strict";

/** Dark or light: as the system says, unless the reader chose one of them. */
const theme = (() => {
  const prefersDark = matchMedia("(prefers-color-scheme: dark)");
  const isPrinted = matchMedia("print");
  const listeners = [];
  const probe = document.body.appendChild(page.element("i", { hidden: true }));

  function isDark() {
    if (isPrinted.matches) return false;
    const chosen = state.get("theme");
    return chosen ? chosen === "dark" : prefersDark.matches;
  }

  /** Calls `listener()` whenever the colours of the page have changed. */
  function onChange(listener) {
    listeners.push(listener);
  }

  function apply() {
    const root = document.documentElement;
    root.dataset.theme = isDark() ? "dark" : "light";
    root.classList.toggle("dark", isDark()); // for the style sheet of DataTables
    document.getElementById("theme").setAttribute("aria-pressed", isDark());
    listeners.forEach((listener) => listener());
  }

  /** A colour of the style sheet, such as "--ink", as rgb(...). */
  function color(name) {
    probe.style.color = `var(${name})`;
    return getComputedStyle(probe).color;
  }

  document.getElementById("theme").addEventListener("click", () => {
    const other = isDark() ? "light" : "dark";
    const isOfSystem = (other === "dark") === prefersDark.matches;
    state.set({ theme: isOfSystem ? "" : other });
  });
  prefersDark.addEventListener("change", apply);
  isPrinted.addEventListener("change", apply);
  state.watch("theme", apply);

  return { color, isDark, onChange };
})();
