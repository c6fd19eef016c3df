"use strict";

/** Where the names of points stand, so that they cover neither each other nor a point. */
const labels = (() => {
  const [CHARACTER, LINE, GAP] = [7.2, 16, 9]; // pixels
  const AROUND = 110; // pixels of a plot that axes and margins take

  // Beside a point: the sides that the name lies to, in the order in which they are tried.
  const SIDES = {
    "top right": [1, -1],
    "bottom right": [1, 1],
    "top left": [-1, -1],
    "bottom left": [-1, 1],
    "top center": [0, -1.2],
    "bottom center": [0, 1.2],
  };

  /**
   * The text position of each point, as Plotly has it. A point has `x` on a logarithmic scale, `y`
   * and `net`; width and height are those of the plot, in pixels.
   */
  function place(points, width, height) {
    const xs = scale(points.map(({ x }) => Math.log(x)), width - AROUND);
    const ys = scale(points.map(({ y }) => -y), height - AROUND);
    const taken = points.map((_, i) => box(xs[i], ys[i], 2 * GAP, 2 * GAP));
    const rightEnd = width - AROUND + 0.05 * width;
    const positions = new Map();
    points.forEach((point, i) => {
      const size = CHARACTER * point.net.label.length;
      const boxes = Object.entries(SIDES).map(([name, [right, down]]) => {
        const x = xs[i] + right * (size / 2 + GAP);
        return { name, own: box(x, ys[i] + down * LINE, size, LINE) };
      });
      const others = taken.filter((_, j) => j !== i);
      const isFree = ({ own }) =>
        own.right < rightEnd && !others.some((other) => overlap(own, other));
      const free = boxes.find(isFree);
      const { name, own } = free || boxes[0];
      positions.set(point, name);
      taken.push(own);
    });
    return positions;
  }

  /** Values in pixels, from the smallest to the largest. */
  function scale(values, size) {
    const [low, high] = [Math.min(...values), Math.max(...values)];
    return values.map((value) => (size * (value - low)) / (high - low || 1));
  }

  function box(x, y, width, height) {
    return { left: x - width / 2, right: x + width / 2, top: y - height / 2, bottom: y + height / 2 };
  }

  function overlap(a, b) {
    return a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom;
  }

  return { place };
})();
