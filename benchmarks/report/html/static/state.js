"use strict";

/**
 * What the reader has chosen, as name and text. It stands in the hash of the page's address, so that
 * a link restores it: #order=-test_accuracy&focus=resnet18. A hash without "=" is an element's id.
 */
const state = (() => {
  const listeners = [];
  let chosen = read();

  function read() {
    const text = location.hash.slice(1);
    return new Map(text.includes("=") ? new URLSearchParams(text) : []);
  }

  /** The text that is chosen for a name; empty where nothing is. */
  function get(name) {
    return chosen.get(name) || "";
  }

  /** Changes choices, such as {focus: "resnet18"}; an empty text removes one. */
  function set(changes) {
    const before = chosen;
    chosen = new Map(before);
    for (const [name, text] of Object.entries(changes)) {
      if (text) chosen.set(name, text);
      else chosen.delete(name);
    }
    const hash = new URLSearchParams([...chosen]).toString();
    history.replaceState(null, "", hash ? `#${hash}` : location.pathname + location.search);
    tell(before);
  }

  /** Calls `listener(text)` now, and whenever the text of a name changes. */
  function watch(name, listener) {
    listeners.push({ name, listener });
    listener(get(name));
  }

  function tell(before) {
    for (const { name, listener } of listeners) {
      if ((before.get(name) || "") !== get(name)) listener(get(name));
    }
  }

  window.addEventListener("hashchange", () => {
    const before = chosen;
    chosen = read();
    tell(before);
  });

  return { get, set, watch };
})();
