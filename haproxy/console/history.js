// The figures of the last hour, for plots.

const HOUR_MS = 3_600_000;

export class History {
  #points = new Map();

  // Adds a value to a figure's points, each [time in ms, value], unless it is null. Returns the points.
  add(figure, time, value) {
    const points = (this.#points.get(figure) ?? []).filter(([then]) => then > time - HOUR_MS);
    if (value !== null) points.push([time, value]);
    this.#points.set(figure, points);
    return points;
  }
}
