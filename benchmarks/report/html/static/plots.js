"use strict";

/** The plots of all nets: accuracy, accuracy against a quantity, and curves. */
const plots = (() => {
  const shown = page.data("plots");
  const { columns, runs } = page.data("table");
  if (!shown) return {};
  const { score, quantities, nets } = shown;
  const LEAST_RANGE = 0.05; // of the axis of a score

  /** The values of a column, of the runs of a net that ended well. */
  function values(net, column) {
    const index = columns.findIndex(({ name }) => name === column);
    return runs
      .filter(({ label, status }) => label === net.label && status === "ok")
      .map(({ cells }) => cells[index])
      .filter((value) => value !== null && value !== undefined);
  }

  function mean(numbers) {
    return numbers.reduce((sum, each) => sum + each, 0) / numbers.length;
  }

  function hiddenNets() {
    return new Set(state.get("hidden").split("\n"));
  }

  function shownNets() {
    const hidden = hiddenNets();
    return nets.filter(({ label }) => !hidden.has(label));
  }

  /** Name, score and interval of a net, as hovering shows them. */
  function inWords(net) {
    const own = mean(values(net, score.name));
    const interval = net.interval
      ? `<br>95 %: ${net.interval.map((end) => end.toFixed(3)).join(" to ")}`
      : "";
    return `<b>${escaped(net.label)}</b><br>${score.title} ${own.toFixed(3)}${interval}`;
  }

  /** Text without what Plotly takes for markup. */
  function escaped(text) {
    return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
  }

  /** A bar from the lower to the upper end of an interval around its estimate. */
  function errorBar(net, interval, own) {
    if (!interval) return { visible: false };
    const [low, high] = interval;
    const ends = { array: [high - own], arrayminus: [own - low], symmetric: false };
    return { type: "data", ...ends, color: charts.color(net), thickness: 2, width: 0 };
  }

  /** The range of the scores of nets where it is so short that it would show chance alone. */
  function leastRange(own) {
    const ends = own.flatMap((net) => net.interval || values(net, score.name));
    const [low, high] = [Math.min(...ends), Math.max(...ends)];
    if (high - low > LEAST_RANGE) return {};
    const middle = (low + high) / 2;
    return { range: [middle - LEAST_RANGE / 2, middle + LEAST_RANGE / 2] };
  }

  function accuracy() {
    const order = shownNets().toReversed();
    const traces = order.flatMap((net) => {
      const own = values(net, score.name);
      const dots = {
        x: own,
        y: own.map(() => escaped(net.label)),
        text: net.curves.map(({ seed }) => `${escaped(net.label)}, seed ${seed}`),
        hovertemplate: "%{text}: %{x:.4f}<extra></extra>",
        mode: "markers",
        marker: { color: charts.color(net), size: 6, opacity: 0.45 },
        meta: net.label,
      };
      const point = {
        x: [mean(own)],
        y: [escaped(net.label)],
        error_x: errorBar(net, net.interval, mean(own)),
        hovertemplate: `${inWords(net)}<extra></extra>`,
        mode: "markers",
        marker: { color: charts.color(net), size: 11 },
        meta: net.label,
      };
      return own.length > 1 ? [dots, point] : [point];
    });
    const categories = order.map(({ label }) => escaped(label));
    const own = {
      height: 90 + 30 * order.length,
      xaxis: { title: score.title, ...leastRange(shownNets()) },
      yaxis: { title: "", type: "category", categoryarray: categories, showgrid: false },
    };
    return [traces, own];
  }

  /** The nets that none of the others surpasses in both, by increasing x. */
  function front(points, moreIsBetter) {
    const fromBest = points.toSorted((a, b) => (moreIsBetter ? b.x - a.x : a.x - b.x) || b.y - a.y);
    let best = -Infinity;
    return fromBest.filter(({ y }) => y > best && ((best = y), true));
  }

  /** Ticks of a logarithmic axis: 1, 2 and 5 times the powers of ten, more in a short range. */
  function ticks(numbers) {
    const [low, high] = [Math.min(...numbers) / 3, Math.max(...numbers) * 3].map(Math.log10);
    const digits = high - low < 2 ? [1, 1.5, 2, 2.5, 3, 4, 5, 6, 8] : [1, 2, 5];
    const tickvals = [];
    for (let power = Math.floor(low); power <= high; power++) {
      tickvals.push(...digits.map((digit) => digit * 10 ** power));
    }
    const ticktext = tickvals.map((value) => page.text(value).replace(/\.0+(?= )/, ""));
    return { tickvals, ticktext };
  }

  const HEIGHT = 460; // of the plot of accuracy against a quantity

  function tradeOff() {
    const quantity = quantities.find(({ name }) => name === state.get("against")) || quantities[0];
    const points = shownNets()
      .filter((net) => values(net, quantity.name).length > 0)
      .map((net) => ({
        net,
        x: mean(values(net, quantity.name)),
        y: mean(values(net, score.name)),
      }));
    const isMarked = ({ net }) => quantity.is_measured && net.is_marked;
    const best = front(
      points.filter((point) => !isMarked(point)),
      quantity.more_is_better,
    );
    const line = {
      x: best.map(({ x }) => x),
      y: best.map(({ y }) => y),
      mode: "lines",
      line: { color: theme.color("--faded"), width: 2 },
      hoverinfo: "skip",
    };
    const isNamed = ({ net }) => points.length <= 12 || best.some((each) => each.net === net);
    const element = document.getElementById("trade-off");
    const positions = labels.place(points.filter(isNamed), element.clientWidth, HEIGHT);
    const traces = points.map((point) => ({
      x: [point.x],
      y: [point.y],
      error_x: errorBar(point.net, quantity.has_intervals && point.net.speed, point.x),
      error_y: errorBar(point.net, point.net.interval, point.y),
      text: isNamed(point) ? [escaped(point.net.label)] : [""],
      textposition: positions.get(point),
      textfont: { color: theme.color(focus.isFaded(point.net.label) ? "--muted" : "--ink") },
      mode: "markers+text",
      marker: {
        color: charts.color(point.net),
        size: 12,
        symbol: isMarked(point) ? "circle-open" : "circle",
      },
      hovertemplate: `${inWords(point.net)}<br>${quantity.title} ${page.text(point.x)}<extra></extra>`,
      meta: point.net.label,
      cliponaxis: false,
    }));
    const own = {
      height: HEIGHT,
      xaxis: { title: quantity.title, type: "log", ...ticks(points.map(({ x }) => x)) },
      yaxis: { title: score.title, ...leastRange(points.map(({ net }) => net)) },
    };
    return [[line, ...charts.focusedLast(traces)], own];
  }

  /** Where the points of a curve are kept: [x, y]. */
  const CURVES = {
    loss: [({ epoch }) => epoch, ({ loss }) => loss],
    train_accuracy: [({ epoch }) => epoch, (run) => run.train_accuracy],
    accuracy: [(run) => run.evaluations.epoch, (run) => run.evaluations.accuracy],
    seconds: [(run) => run.evaluations.seconds, (run) => run.evaluations.accuracy],
  };

  const EPOCHS = {
    title: "epoch",
    tickformat: "d",
    dtick: Math.ceil(Math.max(...nets.flatMap(({ curves }) => curves.map((c) => c.epoch.length))) / 10),
  };

  function curves() {
    const select = document.getElementById("curve");
    const [xOf, yOf] = CURVES[select.value];
    const traces = shownNets().flatMap((net) => curvesOf(net, xOf, yOf));
    const own = {
      height: 420,
      xaxis: select.value === "seconds" ? { title: "seconds of training", type: "log" } : EPOCHS,
      yaxis: { title: select.selectedOptions[0].text.split(" by ")[0] },
    };
    return [charts.focusedLast(traces), own];
  }

  /** The mean over the seeds, and below it each seed. */
  function curvesOf(net, xOf, yOf) {
    const points = Math.max(...net.curves.map((run) => xOf(run).length));
    const means = (of) =>
      Array.from({ length: points }, (_, i) => {
        const known = net.curves.map((run) => of(run)[i]).filter(Number.isFinite);
        return known.length > 0 ? mean(known) : null;
      });
    const line = { mode: "lines", meta: net.label };
    const color = charts.color(net);
    const bold = {
      ...line,
      x: means(xOf),
      y: means(yOf),
      mode: points > 30 ? "lines" : "lines+markers",
      line: { color, width: 2.5 },
      marker: { color, size: 5 },
      hovertemplate: `<b>${escaped(net.label)}</b> %{y:.4f}<extra></extra>`,
    };
    if (net.curves.length < 2) return [bold];
    const thin = net.curves.map((run) => ({
      ...line,
      x: xOf(run),
      y: yOf(run),
      line: { color, width: 1 },
      opacity: 0.45,
      hovertemplate: `${escaped(net.label)}, seed ${run.seed}: %{y:.4f}<extra></extra>`,
    }));
    return [...thin, bold];
  }

  /** A box for each net, which hides it from all plots. */
  function addLegend() {
    const legend = document.getElementById("legend");
    const boxes = nets.map((net) => {
      const box = page.element("input", { type: "checkbox", value: net.label });
      const swatch = page.element("i", {});
      const paint = () => {
        if (net.color) swatch.style.setProperty("--color", theme.visible(net.color));
      };
      paint();
      theme.onChange(paint);
      legend.append(page.element("label", {}, box, swatch, net.label));
      return box;
    });
    legend.addEventListener("change", () => {
      const hidden = boxes.filter((box) => !box.checked).map((box) => box.value);
      state.set({ hidden: hidden.join("\n") });
    });
    state.watch("hidden", () => {
      const hidden = hiddenNets();
      boxes.forEach((box) => (box.checked = !hidden.has(box.value)));
    });
  }

  /** A select whose value stands in the state; the first option is the default. */
  function bind(id) {
    const select = document.getElementById(id);
    const [first] = select.options;
    select.addEventListener("change", () => {
      state.set({ [id]: select.value === first.value ? "" : select.value });
    });
    state.watch(id, (text) => {
      select.value = text;
      if (select.selectedIndex < 0) select.value = first.value;
    });
  }

  addLegend();
  bind("against");
  bind("curve");
  charts.add(document.getElementById("accuracy"), accuracy);
  charts.add(document.getElementById("trade-off"), tradeOff);
  charts.add(document.getElementById("curves"), curves);
  for (const name of ["focus", "hidden", "against", "curve"]) state.watch(name, charts.redraw);

  return { CURVES, EPOCHS, curvesOf, nets };
})();
