"use strict";

/**
 * Differences of two nets and the verdict on them, as analysis/differences.py, claims.py and
 * wording.py have them.
 */
const differences = (() => {
  const { ALPHA, total } = accuracies;
  const { tQuantile } = statistics;
  const MARGIN = 0.01;
  const POWER = 0.8;
  const MOST_SEEDS = 1000;
  const ENOUGH_TO_BEGIN = 3; // seeds that tell how far trainings differ

  /** The accuracy of net i of a table less that of net j. */
  function of(table, i, j) {
    const { testSet, seeds, spread, images } = table;
    const pair = [i, j];
    const byImages = testSet[i][i] + testSet[j][j] - 2 * testSet[i][j];
    const bySeeds = total(pair.map((k) => spread[k] / seeds[k]));
    const variance = Math.max(0, byImages + bySeeds);
    const estimate = table.means[i] - table.means[j];
    const error = Math.sqrt(variance);
    const degrees = accuracies.degreesOf(table, pair, variance);
    const isKnown = pair.every((k) => table.degrees[k] < Infinity);
    const quantile = tQuantile(1 - ALPHA / 2, degrees);
    const interaction = pair.map((k) => table.interaction[k] / images);
    return {
      estimate,
      error,
      degrees,
      isKnown,
      low: estimate - quantile * error,
      high: estimate + quantile * error,
      testSet: quantile * Math.sqrt(Math.max(0, byImages)),
      seeds: isKnown ? quantile * Math.sqrt(bySeeds) : null,
      p: mcnemar(table, i, j) ?? twoSided(estimate, error, degrees),
      floor: Math.max(0, byImages - total(interaction.map((each, k) => each / seeds[pair[k]]))),
      noise: total(interaction.map((each, k) => each + spread[pair[k]])),
      groups: netsInGroup(table, i, j),
      trainings: Math.min(...pair.map((k) => seeds[k])),
    };
  }

  function twoSided(estimate, error, degrees) {
    if (error <= 0) return Number(estimate === 0);
    return 2 * statistics.tTail(Math.abs(estimate) / error, degrees);
  }

  /** The exact p of McNemar's test of two trainings; null where another test is due. */
  function mcnemar(table, i, j) {
    if (![i, j].every((k) => table.seeds[k] === 1 && table.degrees[k] === Infinity)) return null;
    const [[first], [second]] = [table.trainings[i], table.trainings[j]];
    let [onlyFirst, differing] = [0, 0];
    for (let k = 0; k < table.images; k++) {
      if (first[k] === second[k]) continue;
      differing++;
      onlyFirst += first[k];
    }
    return differing > 0 ? statistics.binomialTest(onlyFirst, differing) : 1;
  }

  /** Nets with several seeds in the group of both, or 1 where their groups differ. */
  function netsInGroup(table, i, j) {
    const group = table.groups.find((each) => each.includes(i) && each.includes(j)) || [];
    return Math.max(1, group.filter((k) => table.seeds[k] > 1).length);
  }

  /** [standard error, degrees of freedom] with so many seeds of each net. */
  function errorWith(pair, seeds) {
    const bySeeds = pair.noise / seeds;
    const variance = pair.floor + bySeeds;
    const parts = [[bySeeds, pair.groups * Math.max(1, seeds - 1)]];
    return [Math.sqrt(variance), accuracies.satterthwaite(variance, parts)];
  }

  /** The chance that a table with so many seeds of each net has the other net ahead. */
  function flipChance(pair, seeds) {
    const [error] = errorWith(pair, seeds);
    if (error <= 0) return pair.estimate ? 0 : 0.5;
    return statistics.normal(-Math.abs(pair.estimate) / error);
  }

  function isEquivalent(pair) {
    return Math.abs(pair.estimate) + tQuantile(1 - ALPHA, pair.degrees) * pair.error < MARGIN;
  }

  /** The least seeds of each net with which a test of this level has its power; null: no number. */
  function seedsFor(pair, level, distance) {
    const isEnough = (seeds) => {
      const [error, degrees] = errorWith(pair, seeds);
      return (tQuantile(level, degrees) + tQuantile(POWER, degrees)) * error <= distance;
    };
    if (!isEnough(MOST_SEEDS)) return null;
    let [low, high] = [1, MOST_SEEDS];
    while (high - low > 1) {
      const middle = Math.floor((low + high) / 2);
      if (isEnough(middle)) high = middle;
      else low = middle;
    }
    return high;
  }

  /** The verdict on the claim that the first net is better: {verdict, more, purpose}. */
  function verdict(pair) {
    const lead = Math.abs(pair.estimate);
    if (!pair.isKnown) {
      const more = Math.max(1, ENOUGH_TO_BEGIN - pair.trainings);
      return { verdict: "more seeds", more, purpose: "to tell how far trainings differ" };
    }
    if (pair.p < ALPHA) return { verdict: pair.estimate > 0 ? "supported" : "not supported" };
    if (isEquivalent(pair)) return { verdict: "equivalent" };
    const needed = [
      [seedsFor(pair, 1 - ALPHA / 2, lead), "to separate them"],
      [seedsFor(pair, 1 - ALPHA, MARGIN - lead), "to show them equivalent"],
    ].filter(([seeds]) => seeds !== null);
    if (needed.length === 0) return { verdict: "no number of seeds" };
    const [seeds, purpose] = needed.reduce((a, b) => (b[0] < a[0] ? b : a));
    return { verdict: "more seeds", more: Math.max(1, seeds - pair.trainings), purpose };
  }

  /** The verdict in words. */
  function inWords(pair, other) {
    const found = verdict(pair);
    const trainings = `the two at hand ${pair.p < ALPHA ? "differ" : "do not differ either"}`;
    const words = {
      supported: "supported",
      equivalent: "equivalent within 1 point",
      "not supported": `not supported: ${other} has the higher one`,
      "more seeds": `needs about ${found.more} more seeds of each net, ${found.purpose}`,
      "no number of seeds": "no number of seeds is enough; the test set is too small",
    }[found.verdict];
    if (!pair.isKnown) return `${words} (${trainings}, p = ${Number(pair.p.toPrecision(2))})`;
    const isSmall = pair.p < ALPHA && isEquivalent(pair);
    return isSmall ? `${words}, though the difference lies within 1 point` : words;
  }

  return { flipChance, inWords, of, verdict };
})();
