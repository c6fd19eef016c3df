"use strict";

/**
 * Distributions, to about 1e-12: the gamma and beta functions by series and continued fractions
 * (Press et al., Numerical Recipes, sections 6.1, 6.2 and 6.4), their inverses by Newton's method.
 */
const statistics = (() => {
  const EPSILON = 1e-16;
  const TINY = 1e-300;
  const LARGE_DEGREES = 1e4; // from here on, Student's t by its expansion in 1/degrees

  /** The logarithm of the gamma function, by Stirling's series (Abramowitz and Stegun, 6.1.41). */
  function lnGamma(x) {
    if (x < 12) return lnGamma(x + 1) - Math.log(x);
    const inverse = 1 / (x * x);
    const series = [1 / 156, -691 / 360360, 1 / 1188, -1 / 1680, 1 / 1260, -1 / 360, 1 / 12].reduce(
      (sum, term) => sum * inverse + term,
      0,
    );
    return (x - 0.5) * Math.log(x) - x + Math.log(2 * Math.PI) / 2 + series / x;
  }

  /** b0 + a1/(b1 + a2/(b2 + ...)) by Lentz's method; term(i) is [a, b] from i = 1. */
  function continuedFraction(first, term) {
    let [value, c, d] = [first || TINY, first || TINY, 0];
    for (let i = 1; i < 1e5; i++) {
      const [a, b] = term(i);
      d = 1 / (b + a * d || TINY);
      c = b + a / c || TINY;
      value *= c * d;
      if (Math.abs(c * d - 1) < 4 * EPSILON) break;
    }
    return value;
  }

  /** The regularised incomplete beta function I_x(a, b); y is 1 - x. */
  function beta(x, y, a, b) {
    if (x <= 0) return 0;
    if (y <= 0) return 1;
    if (x > (a + 1) / (a + b + 2)) return 1 - beta(y, x, b, a);
    const lnFactor = lnGamma(a + b) - lnGamma(a) - lnGamma(b) + a * Math.log(x) + b * Math.log(y);
    const fraction = continuedFraction(1, (i) => {
      const m = Math.floor(i / 2);
      if (i % 2) return [(-(a + m) * (a + b + m) * x) / ((a + 2 * m) * (a + 2 * m + 1)), 1];
      return [(m * (b - m) * x) / ((a + 2 * m - 1) * (a + 2 * m)), 1];
    });
    return Math.exp(lnFactor) / (a * fraction);
  }

  /** The regularised incomplete gamma functions [P(a, x), Q(a, x)]. */
  function gamma(a, x) {
    if (x <= 0) return [0, 1];
    const factor = Math.exp(a * Math.log(x) - x - lnGamma(a));
    if (x < a + 1) {
      let [sum, term] = [1 / a, 1 / a];
      for (let n = 1; term > EPSILON * sum; n++) sum += term *= x / (a + n);
      return [factor * sum, 1 - factor * sum];
    }
    const fraction = continuedFraction(x + 1 - a, (i) => [-i * (i - a), x + 2 * i + 1 - a]);
    return [1 - factor / fraction, factor / fraction];
  }

  /** The x > 0 at which an increasing function is 0: Newton's method, within a bracket. */
  function root(value, slope, start) {
    let [x, low, high] = [start, 0, Infinity];
    for (let i = 0; i < 200; i++) {
      const y = value(x);
      if (y < 0) low = x;
      else high = x;
      let next = x - y / slope(x);
      if (!(next > low && next < high)) next = high < Infinity ? (low + high) / 2 : 2 * x;
      if (Math.abs(next - x) <= 4 * EPSILON * x) return next;
      x = next;
    }
    return x;
  }

  /** The cumulative normal distribution. */
  function normal(z) {
    const half = gamma(0.5, (z * z) / 2)[1] / 2;
    return z < 0 ? half : 1 - half;
  }

  const ratio = (above, below, x) => {
    const of = (coefficients) => coefficients.reduceRight((sum, each) => sum * x + each, 0);
    return of(above) / of(below);
  };

  /** The inverse of the normal distribution (Wichura, 1988, algorithm AS 241, PPND16). */
  function normalQuantile(p) {
    const q = p - 0.5;
    if (Math.abs(q) <= 0.425) return q * ratio(...CENTRAL, 0.180625 - q * q);
    const r = Math.sqrt(-Math.log(Math.min(p, 1 - p)));
    return Math.sign(q) * (r <= 5 ? ratio(...MIDDLE, r - 1.6) : ratio(...FAR, r - 5));
  }

  const CENTRAL = [
    [
      3.387132872796366608, 133.14166789178437745, 1971.5909503065514427, 13731.693765509461125,
      45921.953931549871457, 67265.770927008700853, 33430.575583588128105, 2509.0809287301226727,
    ],
    [
      1, 42.313330701600911252, 687.1870074920579083, 5394.1960214247511077, 21213.794301586595867,
      39307.89580009271061, 28729.085735721942674, 5226.495278852854561,
    ],
  ];
  const MIDDLE = [
    [
      1.42343711074968357734, 4.6303378461565452959, 5.7694972214606914055, 3.64784832476320460504,
      1.27045825245236838258, 0.24178072517745061177, 0.0227238449892691845833,
      7.7454501427834140764e-4,
    ],
    [
      1, 2.05319162663775882187, 1.6763848301838038494, 0.68976733498510000455,
      0.14810397642748007459, 0.0151986665636164571966, 5.475938084995344946e-4,
      1.05075007164441684324e-9,
    ],
  ];
  const FAR = [
    [
      6.6579046435011037772, 5.4637849111641143699, 1.7848265399172913358, 0.29656057182850489123,
      0.026532189526576123093, 0.0012426609473880784386, 2.71155556874348757815e-5,
      2.01033439929228813265e-7,
    ],
    [
      1, 0.59983220655588793769, 0.13692988092273580531, 0.0148753612908506148525,
      7.868691311456132591e-4, 1.8463183175100546818e-5, 1.4215117583164458887e-7,
      2.04426310338993978564e-15,
    ],
  ];

  /** P(T > t) of Student's t, for t >= 0. */
  function tTail(t, degrees) {
    if (degrees > LARGE_DEGREES) return normal(-asNormal(t, degrees));
    const [x, y] = [degrees, t * t].map((part) => part / (degrees + t * t));
    return beta(x, y, degrees / 2, 0.5) / 2;
  }

  /** The normal number with the probability of t, for many degrees (Wallace, 1959; Hill, 1970). */
  function asNormal(t, degrees) {
    if (degrees === Infinity) return t;
    const a = degrees - 0.5;
    const z = Math.sqrt(a * Math.log1p((t * t) / degrees));
    const [z2, b] = [z * z, 48 * a * a];
    return z + ((z2 + 3) * z) / b - (((0.4 * z2 + 3.3) * z2 + 24) * z2 + 85.5) * z / (b * b);
  }

  /** The quantile of Student's t, for p >= 0.5. */
  function tQuantile(p, degrees) {
    const z = normalQuantile(p);
    if (degrees > LARGE_DEGREES) {
      // Abramowitz and Stegun, 26.7.5.
      const [z3, z5, z7] = [3, 5, 7].map((power) => z ** power);
      const first = (z3 + z) / 4 / degrees;
      const second = (5 * z5 + 16 * z3 + 3 * z) / 96 / degrees ** 2;
      return z + first + second + (3 * z7 + 19 * z5 + 17 * z3 - 15 * z) / 384 / degrees ** 3;
    }
    const lnBeta = lnGamma(degrees / 2) + lnGamma(0.5) - lnGamma((degrees + 1) / 2);
    const lnPeak = -lnBeta - Math.log(degrees) / 2;
    const density = (t) =>
      Math.exp(lnPeak - ((degrees + 1) / 2) * Math.log1p((t * t) / degrees));
    return root((t) => 1 - p - tTail(t, degrees), density, z);
  }

  /** P(F > f) of the F distribution. */
  function fTail(f, above, below) {
    const sum = below + above * f;
    return beta(below / sum, (above * f) / sum, below / 2, above / 2);
  }

  /** The quantile of a chi-square variable over its degrees of freedom. */
  function scaleQuantile(p, degrees) {
    const a = degrees / 2;
    const part = 2 / (9 * degrees);
    const near = 1 - part + normalQuantile(p) * Math.sqrt(part); // Wilson and Hilferty, 1931
    const start = near > 0.1 ? a * near ** 3 : Math.exp((Math.log(p) + lnGamma(a + 1)) / a);
    const density = (x) => Math.exp((a - 1) * Math.log(x) - x - lnGamma(a));
    return root((x) => gamma(a, x)[0] - p, density, start) / a;
  }

  /** The two-sided p of k heads among n throws of a fair coin. */
  function binomialTest(k, n) {
    const least = Math.min(k, n - k);
    return 2 * least === n ? 1 : Math.min(1, 2 * beta(0.5, 0.5, n - least, least + 1));
  }

  return { binomialTest, fTail, normal, normalQuantile, scaleQuantile, tQuantile, tTail };
})();
