"use strict";

/** One net that the reader looks at: all sections stress it, and grey the others. */
const focus = (() => {
  /** Focuses a net by its label; once more, and none is. */
  function toggle(label) {
    state.set({ focus: state.get("focus") === label ? "" : label });
  }

  /** Whether a net is one of those that are grey. */
  function isFaded(label) {
    const focused = state.get("focus");
    return focused !== "" && focused !== label;
  }

  const clear = document.getElementById("unfocus");
  clear.addEventListener("click", () => state.set({ focus: "" }));
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") state.set({ focus: "" });
  });
  state.watch("focus", (label) => {
    clear.hidden = label === "";
    clear.querySelector("span").textContent = label;
  });

  return { isFaded, toggle };
})();
