"use strict";

/** What the reader's choice of nets, classes, seeds and images would have let one conclude. */
const explorer = (() => {
  const given = page.data("explorer");
  if (!given) return {};
  const SEEDS = 30; // of the curve, at least
  const find = (id) => document.getElementById(id);

  const bytes = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const packed = bytes(given.labels);
  const labels = Uint16Array.from(
    { length: given.images },
    (_, i) => packed[2 * i] + 256 * packed[2 * i + 1],
  );
  const nets = given.nets.map((net) => ({
    ...net,
    trainings: net.correct.map((text) => {
      const bits = bytes(text);
      return Uint8Array.from({ length: given.images }, (_, i) => (bits[i >> 3] >> (i & 7)) & 1);
    }),
  }));
  const counts = new Map(given.classes.map((_, k) => [k, 0]));
  labels.forEach((label) => counts.set(label, counts.get(label) + 1));
  const classes = [...counts.keys()].filter((k) => counts.get(k) > 0);
  const everything = {
    nets: nets.map(({ label }) => label),
    classes,
    seeds: given.most_seeds,
    images: given.images,
  };

  /**
   * The table of a choice {nets, classes, seeds, images}, as accuracies.of() makes it, of the first
   * images of these classes and the first seeds; null where fewer than two images are left.
   */
  function tableOf(choice) {
    const isChosen = new Set(choice.classes);
    const taken = [];
    for (let i = 0; i < given.images && taken.length < choice.images; i++) {
      if (isChosen.has(labels[i])) taken.push(i);
    }
    const own = choice.nets.map((label) => nets.find((net) => net.label === label));
    if (taken.length < 2 || own.length === 0) return null;
    return accuracies.of(
      own.map((net) =>
        net.trainings.slice(0, choice.seeds).map((right) => {
          const kept = new Uint8Array(taken.length);
          for (let k = 0; k < kept.length; k++) kept[k] = right[taken[k]];
          return kept;
        }),
      ),
    );
  }

  /** What follows for a choice with a pair {..., a, b} of nets; null where nothing does. */
  function conclude(choice) {
    const table = tableOf(choice);
    if (table === null) return null;
    const [i, j] = [choice.a, choice.b].map((label) => choice.nets.indexOf(label));
    const pair = i >= 0 && j >= 0 && i !== j ? differences.of(table, i, j) : null;
    return {
      images: table.images,
      speaksOfNets: table.degrees.every((each) => each < Infinity),
      intervals: choice.nets.map((_, k) => accuracies.interval(table, k)),
      ...places.of(table),
      pair,
      verdict: pair && differences.verdict(pair),
    };
  }

  const placeInWords = ([best, worst], letters) =>
    `${best}${worst > best ? `-${worst}` : ""} ${letters}`;
  const all = conclude(everything);
  const placeOfAll = new Map(
    everything.nets.map((label, k) => [label, placeInWords(all.places[k], all.letters[k])]),
  );

  /** The choice that the address holds: without=<nets>, classes=0,2, seeds=3, images=1000, a, b. */
  function chosen() {
    const without = new Set(state.get("without").split("\n"));
    const own = everything.nets.filter((label) => !without.has(label));
    const [a, b] = [state.get("a"), state.get("b")].map((label) => own.includes(label) && label);
    const first = a || own.find((label) => label !== b);
    const text = state.get("classes");
    const amount = (name) => {
      const number = Number.parseInt(state.get(name), 10);
      return number > 0 ? Math.min(number, everything[name]) : everything[name];
    };
    return {
      nets: own,
      classes: text ? classes.filter((k) => text.split(",").includes(String(k))) : classes,
      seeds: amount("seeds"),
      images: amount("images"),
      a: first,
      b: b && b !== first ? b : own.find((label) => label !== first),
    };
  }

  const points = (share) => (100 * share).toFixed(2);
  const signed = (share) => `${share < 0 ? "−" : "+"}${points(Math.abs(share))}`;
  const half = (share) => (share === null ? "unknown" : `±${points(share)}`);

  function showTable(choice, found) {
    const ends = found ? found.intervals.flatMap(({ low, high }) => [low, high]) : [];
    const [least, most] = [Math.min(...ends), Math.max(...ends)];
    const across = (share) => `${(100 * (share - least)) / (most - least || 1)}%`;
    const rows = (found ? found.order : []).map((k) => {
      const label = choice.nets[k];
      const { estimate, low, high, testSet, seeds } = found.intervals[k];
      const bar = page.element("i", { title: `${low.toFixed(4)} to ${high.toFixed(4)}` });
      paint(bar, nets.find((net) => net.label === label));
      for (const [name, share] of Object.entries({ low, high, estimate })) {
        bar.style.setProperty(`--${name}`, across(share));
      }
      const place = placeInWords(found.places[k], found.letters[k]);
      const isOther = place !== placeOfAll.get(label);
      return page.element(
        "tr",
        { className: isOther ? "other" : "" },
        page.element("th", { scope: "row" }, label),
        page.element("td", { className: "place" }, place),
        page.element("td", {}, placeOfAll.get(label)),
        page.element("td", {}, `${estimate.toFixed(3)} ± ${((high - low) / 2).toFixed(3)}`),
        page.element("td", { className: "bar" }, bar),
        page.element("td", {}, half(testSet)),
        page.element("td", {}, half(seeds)),
      );
    });
    document.querySelector("#explored-table tbody").replaceChildren(...rows);
    find("explored-scope").textContent = scope(found);
  }

  function scope(found) {
    if (!found) return "Choose a model and a class with at least two images.";
    const trainings = found.speaksOfNets
      ? ""
      : " One seed each: intervals and places speak of these trainings only.";
    return (
      `${found.images.toLocaleString("en-US")} images. Halves of 95 % intervals, the test set's and ` +
      `the seeds' part in points. Place: 5 % chance of any false difference in the table; bold where ` +
      `it differs from that with all data.${trainings}`
    );
  }

  function showPair(choice, { pair } = { pair: null }) {
    find("explored-verdict").textContent = pair
      ? differences.inWords(pair, choice.b)
      : "Choose two models.";
    find("explored-effect").textContent = pair
      ? `${signed(pair.estimate)} points, 95 % interval ${signed(pair.low)} to ${signed(pair.high)}; ` +
        `test set ${half(pair.testSet)}, seeds ${half(pair.seeds)}`
      : "";
    const figure = find("flip-figure");
    figure.hidden = !pair?.isKnown;
    if (figure.hidden) return;
    const now = differences.flipChance(pair, choice.seeds);
    const seeds = `${choice.seeds} seed${choice.seeds > 1 ? "s" : ""}`;
    const chance = now < 0.001 ? "less than 0.1" : (100 * now).toPrecision(2);
    find("flip-now").textContent = `With ${seeds}: ${chance} %.`;
  }

  let shown = [chosen(), null];

  function flips() {
    const [choice, found] = shown;
    const pair = found?.pair?.isKnown ? found.pair : null;
    const seeds = Array.from({ length: Math.max(SEEDS, choice.seeds) }, (_, k) => k + 1);
    const curve = (xs) => ({
      x: xs,
      y: xs.map((each) => (pair ? 100 * differences.flipChance(pair, each) : null)),
      hovertemplate: "%{x} seeds: %{y:.3g} %<extra></extra>",
    });
    const color = theme.color("--accent");
    const traces = [
      { ...curve(seeds), mode: "lines", line: { color, width: 2.5 } },
      { ...curve([choice.seeds]), mode: "markers", marker: { color, size: 11 } },
    ];
    const layout = {
      height: 260,
      xaxis: { title: "seeds of each model", rangemode: "tozero" },
      yaxis: { title: "chance, %", range: [0, 52] },
    };
    return [traces, layout];
  }

  let isPending = false;

  /** Shows the choice, once for all that has changed until the next frame. */
  function show() {
    if (isPending) return;
    isPending = true;
    requestAnimationFrame(() => {
      isPending = false;
      const choice = chosen();
      const found = conclude(choice);
      shown = [choice, found];
      showControls(choice);
      showTable(choice, found);
      showPair(choice, found || undefined);
      charts.redraw();
    });
  }

  function paint(element, net) {
    if (net.color) element.style.setProperty("--color", theme.visible(net.color));
  }

  const showControls = choices.add({ nets, classNames: given.classes, counts, everything, paint });
  theme.onChange(show);
  for (const name of choices.NAMES) state.watch(name, show);
  charts.add(find("flip"), flips);

  return { conclude, everything };
})();
