"use strict";

/** The controls of the explorer: boxes of nets and classes, amounts of seeds and images, a pair. */
const choices = (() => {
  const NAMES = ["without", "classes", "seeds", "images", "a", "b"]; // in the state
  const find = (id) => document.getElementById(id);
  const NONE = "-"; // no class, where an empty text means all

  /** Amounts of images to choose from: 20, 50, 100, ... and all. */
  function steps(most) {
    const found = [];
    for (let power = 10; power < most; power *= 10) {
      found.push(...[2, 5, 10].map((digit) => digit * power).filter((each) => each < most));
    }
    return [...found, most];
  }

  /** Makes the controls, and returns the function that shows a choice in them. */
  function add({ nets, classNames, counts, everything, paint }) {
    const netBoxes = nets.map((net) => {
      const swatch = page.element("i", {});
      theme.onChange(() => paint(swatch, net));
      paint(swatch, net);
      return box(find("explored-nets"), net.label, swatch, net.label);
    });
    const classBoxes = everything.classes.map((k) =>
      box(find("explored-classes"), String(k), classNames[k]),
    );
    const values = (boxes, isChecked) =>
      boxes.filter((each) => each.checked === isChecked).map((each) => each.value);
    const setClasses = (own) => {
      const text = own.length === classBoxes.length ? "" : own.join(",") || NONE;
      state.set({ classes: text });
    };
    find("explored-nets").addEventListener("change", () => {
      state.set({ without: values(netBoxes, false).join("\n") });
    });
    find("explored-classes").addEventListener("change", () => setClasses(values(classBoxes, true)));
    find("all-classes").addEventListener("click", () => state.set({ classes: "" }));
    find("no-classes").addEventListener("click", () => state.set({ classes: NONE }));

    const amounts = steps(everything.images);
    const images = Object.assign(find("images"), { max: amounts.length - 1 });
    const setAmount = (name, number) =>
      state.set({ [name]: number === everything[name] ? "" : String(number) });
    images.addEventListener("input", () => setAmount("images", amounts[images.value]));
    find("seeds").addEventListener("input", ({ target }) => setAmount("seeds", Number(target.value)));
    find("everything").addEventListener("click", () => {
      state.set({ without: "", classes: "", seeds: "", images: "" });
    });
    for (const id of ["a", "b"]) {
      find(id).addEventListener("change", () => state.set({ a: find("a").value, b: find("b").value }));
    }

    return (choice) => {
      netBoxes.forEach((each) => (each.checked = choice.nets.includes(each.value)));
      classBoxes.forEach((each) => (each.checked = choice.classes.includes(Number(each.value))));
      find("seeds").value = choice.seeds;
      find("seeds-shown").textContent = `${choice.seeds} of ${everything.seeds}`;
      const own = choice.classes.reduce((sum, k) => sum + counts.get(k), 0);
      const nearest = amounts.findIndex((each) => each >= choice.images);
      images.value = nearest;
      const taken = [Math.min(own, choice.images), own].map((each) => each.toLocaleString("en-US"));
      find("images-shown").textContent = taken.join(" of ");
      images.setAttribute("aria-valuetext", taken[0]);
      const count = find("classes-count");
      if (count) count.textContent = `${choice.classes.length} of ${classBoxes.length}`;
      for (const [id, other] of [["a", choice.b], ["b", choice.a]]) {
        const options = choice.nets.filter((label) => label !== other);
        find(id).replaceChildren(...options.map((label) => page.element("option", {}, label)));
        if (choice[id]) find(id).value = choice[id];
      }
    };
  }

  function box(parent, value, ...children) {
    const made = page.element("input", { type: "checkbox", value });
    parent.append(page.element("label", {}, made, ...children));
    return made;
  }

  return { NAMES, add };
})();
