"use strict";

/** What the scripts of all sections share: their data, and numbers as text. */
const page = (() => {
  /** The data of a section, or null where the page has no such section. */
  function data(section) {
    const element = document.getElementById(`data-${section}`);
    return element && JSON.parse(element.textContent);
  }

  /**
   * A number as people read it: with so many digits after the point, or else three significant ones,
   * millions and more as 1.2 M, 3.4 G and 5.6 T.
   */
  function text(number, digits = null) {
    if (number === null) return "";
    if (digits !== null) return number.toFixed(digits);
    const size = Math.abs(number);
    if (size < 1e3 && Number.isInteger(number)) return String(number);
    if (size < 1e3) return number.toPrecision(3);
    if (size < 1e6) return Math.round(number).toLocaleString("en-US");
    const [unit, letter] = [[1e15, "P"], [1e12, "T"], [1e9, "G"], [1e6, "M"]].find(
      ([least]) => size >= least,
    );
    return `${(number / unit).toPrecision(3)} ${letter}`;
  }

  /** An element with properties, and with texts or elements in it. */
  function element(tag, properties, ...children) {
    const made = Object.assign(document.createElement(tag), properties);
    made.append(...children);
    return made;
  }

  return { data, element, text };
})();
