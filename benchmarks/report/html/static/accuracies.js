"use strict";

/** The accuracies of nets on the same images and their intervals, as analysis/accuracies.py has them. */
const accuracies = (() => {
  const ALPHA = 0.05;
  const CLEARLY = 0.05; // chance that a net leaves the pool though no spread is larger

  function total(values) {
    let sum = 0;
    for (let i = 0; i < values.length; i++) sum += values[i];
    return sum;
  }

  const mean = (values) => total(values) / values.length;
  const squares = (values, centre) => total(values.map((each) => (each - centre) ** 2));

  /**
   * What the trainings of each net say; all lists by net.
   *
   * A net is a list of its trainings, and a training one byte an image: 1 where it is right.
   */
  function of(nets) {
    const images = nets[0][0].length;
    const seeds = nets.map((net) => net.length);
    const byImage = nets.map((net) => {
      const counts = new Float64Array(images);
      for (const right of net) for (let i = 0; i < images; i++) counts[i] += right[i];
      return counts;
    });
    const means = byImage.map((counts, k) => total(counts) / (seeds[k] * images));
    const own = nets.map((net) => net.map((right) => total(right) / images));
    const groups = grouped(own);

    const byGroup = (figure, ofOthers) => {
      const values = nets.map(() => ofOthers);
      for (const group of groups.filter((each) => each.length > 0)) {
        group.forEach((i) => (values[i] = figure(group)));
      }
      return values;
    };
    // Over the nets of each group, weighted by their degrees of freedom.
    const pooled = (figures) =>
      byGroup((group) => {
        const weights = group.map((i) => seeds[i] - 1);
        return total(group.map((i, k) => weights[k] * figures[i])) / total(weights);
      }, 0);

    const alone = nets.map((_, k) => interactionOf(own[k], byImage[k], images));
    const shared = pooled(alone);
    const interaction = alone.map((each, k) => (seeds[k] > 1 ? each : shared[k]));
    const observedSpread = pooled(own.map((values) => variance(values)));
    const noise = pooled(interaction);
    return {
      images,
      seeds,
      means,
      groups,
      interaction,
      observedSpread,
      trainings: nets,
      testSet: covariance(byImage, seeds, means, images),
      degrees: byGroup((group) => total(group.map((i) => seeds[i] - 1)), Infinity),
      spread: observedSpread.map((each, k) => Math.max(0, each - noise[k] / images)),
    };
  }

  /** The sample variance; 0 of a single value. */
  function variance(values) {
    return values.length > 1 ? squares(values, mean(values)) / (values.length - 1) : 0;
  }

  /** MS: the mean square of the interaction of seed and image. */
  function interactionOf(own, counts, images) {
    const seeds = own.length;
    if (seeds < 2) return 0;
    const centre = mean(own);
    let betweenImages = 0;
    for (const count of counts) betweenImages += seeds * (count / seeds - centre) ** 2;
    const betweenSeeds = images * squares(own, centre);
    const all = seeds * images * centre * (1 - centre);
    return Math.max(0, (all - betweenImages - betweenSeeds) / ((seeds - 1) * (images - 1)));
  }

  /** The covariance of the mean accuracies by the choice of images. */
  function covariance(byImage, seeds, means, images) {
    const own = byImage.map(() => new Float64Array(byImage.length));
    for (let a = 0; a < byImage.length; a++) {
      for (let b = 0; b <= a; b++) {
        let products = 0;
        for (let i = 0; i < images; i++) products += byImage[a][i] * byImage[b][i];
        const centred = products / (seeds[a] * seeds[b]) - images * means[a] * means[b];
        own[a][b] = own[b][a] = centred / (images - 1) / images;
      }
    }
    return own;
  }

  /** Nets whose variance between trainings is pooled; first the pool, then nets on their own. */
  function grouped(own) {
    const all = own.map((_, i) => i);
    let pool = all.filter((i) => own[i].length > 1);
    const alone = [];
    while (pool.length > 1) {
      const widest = pool.reduce((a, b) => (variance(own[b]) > variance(own[a]) ? b : a));
      const rest = pool.filter((i) => i !== widest);
      if (!isWider(own[widest], rest.map((i) => own[i]), CLEARLY / own.length)) break;
      pool = rest;
      alone.push([widest]);
    }
    return [pool.length > 0 ? [...pool, ...all.filter((i) => own[i].length === 1)] : [], ...alone];
  }

  function isWider(values, others, alpha) {
    const degrees = [values.length - 1, total(others.map((each) => each.length - 1))];
    const ofOthers = total(others.map((each) => squares(each, mean(each)))) / degrees[1];
    return statistics.fTail(variance(values) / Math.max(ofOthers, 1e-300), ...degrees) < alpha;
  }

  /** Satterthwaite's degrees of freedom of the variance of a contrast of nets. */
  function degreesOf(table, nets, whole) {
    const parts = new Map();
    for (const i of nets) {
      const key = `${table.degrees[i]} ${table.observedSpread[i]}`;
      const [part] = parts.get(key) || [0];
      parts.set(key, [part + table.observedSpread[i] / table.seeds[i], table.degrees[i]]);
    }
    return satterthwaite(whole, [...parts.values()]);
  }

  /** parts: [variance, degrees of freedom] of each. */
  function satterthwaite(whole, parts) {
    const least = Math.min(...parts.map(([, degrees]) => degrees));
    const uncertain = total(
      parts.map(([part, degrees]) => (part ** 2 / degrees) * (1 + 2 / degrees)),
    );
    return uncertain > 0 ? Math.max(least, whole ** 2 / uncertain) : Infinity;
  }

  function wilson(share, images) {
    const z = statistics.normalQuantile(1 - ALPHA / 2);
    const right = Math.round(share * images);
    const [p, below] = [right / images, 2 * (images + z * z)];
    const centre = (2 * images * p + z * z) / below;
    const half = (z / below) * Math.sqrt(4 * images * p * (1 - p) + z * z);
    return [right === 0 ? 0 : centre - half, right === images ? 1 : centre + half];
  }

  /** The interval of a net's accuracy; seeds is null where it speaks of this training only. */
  function interval(table, i) {
    const estimate = table.means[i];
    const bySeeds = table.spread[i] / table.seeds[i];
    const whole = table.testSet[i][i] + bySeeds;
    if (table.degrees[i] === Infinity || whole <= 0 || estimate === 0 || estimate === 1) {
      const [low, high] = wilson(estimate, table.images);
      return { estimate, low, high, testSet: (high - low) / 2, seeds: table.seeds[i] > 1 ? 0 : null };
    }
    const quantile = statistics.tQuantile(1 - ALPHA / 2, degreesOf(table, [i], whole));
    const [half, testSet, seeds] = [whole, table.testSet[i][i], bySeeds].map(
      (part) => quantile * Math.sqrt(part),
    );
    return {
      estimate,
      low: Math.max(0, estimate - half),
      high: Math.min(1, estimate + half),
      testSet,
      seeds,
    };
  }

  return { ALPHA, degreesOf, interval, of, satterthwaite, total };
})();
