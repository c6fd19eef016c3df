"use strict";

/** What all charts share: look, the net that a click focuses, and export as SVG. */
const charts = (() => {
  const draws = []; // functions that draw a chart again
  let isPending = false;

  /** The layout of a chart in the colours of the page. */
  function layout(own) {
    const [ink, muted, rule] = ["--ink", "--muted", "--rule"].map(theme.color);
    const axis = {
      gridcolor: rule,
      linecolor: rule,
      zeroline: false,
      automargin: true,
      tickfont: { color: muted },
      title: { font: { color: muted, size: 13 }, standoff: 12 },
    };
    const base = {
      font: { family: "system-ui, sans-serif", size: 13, color: ink },
      paper_bgcolor: "rgba(0,0,0,0)",
      plot_bgcolor: "rgba(0,0,0,0)",
      margin: { l: 50, r: 15, t: 15, b: 45 },
      hovermode: "closest",
      hoverlabel: { bgcolor: theme.color("--raised"), bordercolor: rule, font: { color: ink } },
      dragmode: false,
      showlegend: false,
      ...own,
    };
    for (const name of Object.keys(own).filter((each) => /^[xy]axis/.test(each))) {
      const { title, ...others } = own[name];
      base[name] = { ...axis, ...others, title: { ...axis.title, text: title } };
    }
    return base;
  }

  /**
   * Draws a chart in the next frame, and at every redraw.
   *
   * make() returns [traces, layout]; the meta of a trace is the label of its net.
   */
  function add(element, make) {
    const draw = () => {
      const [traces, own] = make();
      element.style.height = `${own.height}px`; // for printing, where Plotly fills the element
      const isNew = !element.classList.contains("js-plotly-plot");
      Plotly.react(element, traces, layout(own), { displayModeBar: false, responsive: true });
      if (isNew) element.on("plotly_click", toggle);
    };
    draws.push(draw);
    redraw();
  }

  function toggle({ points: [point] }) {
    focus.toggle(point.data.meta);
  }

  /** Draws all charts again, once for all that has changed until the next frame. */
  function redraw() {
    if (isPending) return;
    isPending = true;
    requestAnimationFrame(drawAll);
  }

  function drawAll() {
    isPending = false;
    draws.forEach((draw) => draw());
  }

  /** The colour of a net; grey where it has none, and while another is focused. */
  function color(net) {
    if (focus.isFaded(net.label)) return theme.color("--faded");
    if (net.color) return theme.visible(net.color);
    return theme.color(net.label === state.get("focus") ? "--ink" : "--grey");
  }

  /** Traces with those of the focused net last, so that they lie on top. */
  function focusedLast(traces) {
    const isFocused = (trace) => Number(trace.meta === state.get("focus"));
    return traces.toSorted((a, b) => isFocused(a) - isFocused(b));
  }

  for (const button of document.querySelectorAll("figure .svg")) {
    const figure = button.closest("figure");
    const name = figure.querySelector(".plot").id;
    button.title = "Save this plot as SVG";
    button.addEventListener("click", () => {
      Plotly.downloadImage(figure.querySelector(".plot"), { format: "svg", filename: name });
    });
  }
  theme.onChange(redraw);
  matchMedia("print").addEventListener("change", drawAll); // at once: no frame comes before printing

  return { add, color, focusedLast, redraw };
})();
