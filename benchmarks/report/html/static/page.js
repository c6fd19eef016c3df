"use strict";

/** What the scripts of all sections share: their data, and numbers as text. */
const page = (() => {
  /** The data of a section, or null where the page has no such section. */
  function data(section) {
    const element = document.getElementById(`data-${section}`);
    return element && JSON.parse(element.textContent);
  }

  /** A number as people read it: thousands apart, small ones with three significant digits. */
  function text(number, digits) {
    if (number === null) return "";
    if (digits !== null) return number.toFixed(digits);
    if (Number.isInteger(number) || Math.abs(number) >= 1000) {
      return Math.abs(number) < 1e12
        ? number.toLocaleString("en-US", { maximumFractionDigits: 0 })
        : number.toExponential(2);
    }
    return String(Number(number.toPrecision(3)));
  }

  /** An element with properties, and with texts or elements in it. */
  function element(tag, properties, ...children) {
    const made = Object.assign(document.createElement(tag), properties);
    made.append(...children);
    return made;
  }

  return { data, element, text };
})();
