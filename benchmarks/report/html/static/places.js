"use strict";

/** The places of the nets of a table, as analysis/places.py and draws.py have them. */
const places = (() => {
  const { ALPHA } = accuracies;
  const DRAWS = 20000;
  const LEVELS = 200;
  const MOST_DEGREES = 1e5; // of freedom; more count as infinite
  const LEAST_PIVOT = 1e-12; // relative; a smaller one is rounding
  const kept = []; // normal draws, a list for each net

  /**
   * {order, places, letters, widening}: nets from the best on, and by net the best and the worst
   * place that the data allow and the letters that it shares with nets not separated from it.
   */
  function of(table) {
    const nets = table.means.map((_, i) => i);
    const order = nets.toSorted((a, b) => table.means[b] - table.means[a]);
    const pairs = nets.flatMap((a) =>
      nets.slice(a + 1).map((b) => ({ a, b, ...differences.of(table, order[a], order[b]) })),
    );
    const widening = wideningOf(table, order, pairs);
    const isBetter = nets.map(() => nets.map(() => false));
    for (const { a, b, estimate, error, degrees } of pairs) {
      const critical = widening * statistics.tQuantile(1 - ALPHA / 2, degrees);
      isBetter[a][b] = estimate > critical * error;
    }
    const count = (values) => values.filter(Boolean).length;
    const own = nets.map((a) => [
      1 + count(nets.map((b) => isBetter[b][a])),
      nets.length - count(isBetter[a]),
    ]);
    const letters = lettersOf(isBetter);
    const byNet = (values) => nets.map((net) => values[order.indexOf(net)]);
    return { order, widening, places: byNet(own), letters: byNet(letters) };
  }

  /** The factor of critical values that holds the error of all pairs together at 5 %. */
  function wideningOf(table, order, pairs) {
    if (pairs.length < 2) return 1;
    const root = rootOf(order, (a, b) =>
      a === b ? table.testSet[a][a] + table.spread[a] / table.seeds[a] : table.testSet[a][b],
    );
    const means = root.map((row) => {
      const drawn = new Float64Array(DRAWS);
      row.forEach((factor, k) => {
        const own = normals(k);
        for (let i = 0; i < DRAWS; i++) drawn[i] += factor * own[i];
      });
      return drawn;
    });
    const largest = new Float64Array(DRAWS);
    for (const { a, b, error } of pairs) {
      if (error <= 0) continue;
      const [first, second] = [means[a], means[b]];
      for (let i = 0; i < DRAWS; i++) {
        const t = Math.abs(first[i] - second[i]) / error;
        if (t > largest[i]) largest[i] = t;
      }
    }
    let degrees = median(pairs.map((pair) => pair.degrees));
    if (degrees > MOST_DEGREES) degrees = Infinity;
    else {
      const levels = Array.from({ length: LEVELS }, (_, k) =>
        Math.sqrt(statistics.scaleQuantile((k + 0.5) / LEVELS, degrees)),
      );
      for (let i = 0; i < DRAWS; i++) largest[i] /= levels[i % LEVELS];
    }
    const together = quantile(largest.sort(), 1 - ALPHA);
    return Math.max(1, together / statistics.tQuantile(1 - ALPHA / 2, degrees));
  }

  /** The normal draws of the k-th net. */
  function normals(k) {
    return (kept[k] ||= Float64Array.from({ length: DRAWS }, (_, i) => {
      let x = Math.imul(k * DRAWS + i + 1, 0x9e3779b9);
      x = Math.imul(x ^ (x >>> 16), 0x7feb352d);
      x = Math.imul(x ^ (x >>> 15), 0x846ca68b);
      return statistics.normalQuantile((((x ^ (x >>> 16)) >>> 0) + 0.5) / 2 ** 32);
    }));
  }

  /** The rows of the lower triangular root of a covariance, which may be singular. */
  function rootOf(order, covariance) {
    const rows = order.map(() => []);
    order.forEach((_, j) => {
      const column = order.slice(j).map((net, k) => {
        const explained = accuracies.total(rows[j].map((each, m) => each * rows[j + k][m]));
        return covariance(net, order[j]) - explained;
      });
      const isPivot = column[0] > LEAST_PIVOT * covariance(order[j], order[j]);
      column.forEach((each, k) => (rows[j + k][j] = isPivot ? each / Math.sqrt(column[0]) : 0));
    });
    return rows;
  }

  function median(values) {
    const sorted = values.toSorted((a, b) => a - b);
    const middle = sorted.length / 2;
    return (sorted[Math.ceil(middle) - 1] + sorted[Math.floor(middle)]) / 2;
  }

  function quantile(sorted, p) {
    const at = p * (sorted.length - 1);
    const [below, above] = [sorted[Math.floor(at)], sorted[Math.ceil(at)]];
    return below + (at % 1) * (above - below);
  }

  /**
   * A letter for each largest set of nets that are not separated, found by the algorithm of Bron and
   * Kerbosch (1973) with the pivot of Tomita et al. (2006).
   */
  function lettersOf(isBetter) {
    const nets = isBetter.map((_, i) => i);
    const isSame = (a, b) => a !== b && !isBetter[a][b] && !isBetter[b][a];
    const found = [];
    const extend = (clique, candidates, excluded) => {
      if (candidates.length + excluded.length === 0) {
        found.push(clique.toSorted((a, b) => a - b));
        return;
      }
      const near = (net, all) => all.filter((other) => isSame(net, other));
      const size = (net) => near(net, candidates).length;
      const pivot = [...candidates, ...excluded].reduce((a, b) => (size(b) > size(a) ? b : a));
      let [rest, done] = [candidates, excluded];
      for (const net of candidates.filter((each) => !isSame(pivot, each))) {
        extend([...clique, net], near(net, rest), near(net, done));
        [rest, done] = [rest.filter((other) => other !== net), [...done, net]];
      }
    };
    extend([], nets, []);
    found.sort((a, b) => {
      const k = a.findIndex((net, at) => net !== b[at]);
      return a[k] - b[k];
    });
    const shown = nets.map(() => "");
    const letter = alphabet();
    for (const clique of found) {
      const { value } = letter.next();
      clique.forEach((net) => (shown[net] += value));
    }
    return shown;
  }

  function* alphabet() {
    for (let code = "a".charCodeAt(0); ; code++) {
      const letter = String.fromCodePoint(code);
      if (/\p{L}/u.test(letter)) yield letter;
    }
  }

  return { of };
})();
