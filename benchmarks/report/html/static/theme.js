"use strict";

/** Dark or light: as the system says, unless the reader chose one of them. */
const theme = (() => {
  const prefersDark = matchMedia("(prefers-color-scheme: dark)");
  const isPrinted = matchMedia("print");
  const LIGHTER = 0.3; // the part of the way to white
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

  /** A colour such as #0072b2, lighter in the dark, where dark ones do not stand out. */
  function visible(color) {
    if (!isDark()) return color;
    const parts = [1, 3, 5].map((at) => Number.parseInt(color.slice(at, at + 2), 16));
    return `rgb(${parts.map((part) => Math.round(part + LIGHTER * (255 - part))).join(", ")})`;
  }

  document.getElementById("theme").addEventListener("click", () => {
    const other = isDark() ? "light" : "dark";
    const isOfSystem = (other === "dark") === prefersDark.matches;
    state.set({ theme: isOfSystem ? "" : other });
  });
  prefersDark.addEventListener("change", apply);
  isPrinted.addEventListener("change", apply);
  state.watch("theme", apply);

  return { color, isDark, onChange, visible };
})();
