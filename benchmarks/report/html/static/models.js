"use strict";

/** The part of each net: opened by focus, its curves drawn when they are first seen. */
const models = (() => {
  const drawn = new Set();
  const parts = [...document.querySelectorAll("details.model")];

  function draw(part) {
    const element = part.querySelector(".curves-of-net");
    const net = (plots.nets || []).find(({ label }) => label === part.dataset.label);
    if (!element || !net || drawn.has(element)) return;
    drawn.add(element);
    charts.add(element, () => {
      const panels = ["loss", "train_accuracy"].map((name, i) => {
        const traces = plots.curvesOf(net, ...plots.CURVES[name]);
        return traces.map((trace) => ({ ...trace, xaxis: `x${i + 1}`, yaxis: `y${i + 1}` }));
      });
      const layout = {
        height: 260,
        xaxis: { ...plots.EPOCHS, domain: [0, 0.46] },
        yaxis: { title: "training loss" },
        xaxis2: { ...plots.EPOCHS, domain: [0.54, 1], anchor: "y2" },
        yaxis2: { title: "train accuracy", anchor: "x2" },
      };
      return [panels.flat(), layout];
    });
  }

  for (const part of parts) {
    part.addEventListener("toggle", () => part.open && draw(part));
  }
  state.watch("focus", (label) => {
    const part = parts.find((each) => each.dataset.label === label);
    if (part) part.open = true;
  });

  return { parts };
})();
