// The figures of the last hour. They are kept while the browser's tab is open, also when its page is loaded again.

const HOUR_MS = 3_600_000;

export class History {
  #points = new Map(Object.entries(load()));

  // Adds a value to a figure's points, each [time in ms, value]. Returns them.
  add(figure, time, value) {
    const points = (this.#points.get(figure) ?? []).filter(([then]) => then > time - HOUR_MS);
    points.push([time, value]);
    this.#points.set(figure, points);
    return points;
  }

  save() {
    try {
      sessionStorage.setItem(KEY, JSON.stringify(Object.fromEntries(this.#points)));
    } catch {
      // A browser that keeps nothing: the plots begin anew.
    }
  }
}

function load() {
  try {
    return JSON.parse(sessionStorage.getItem(KEY)) ?? {};
  } catch {
    return {};
  }
}

const KEY = "backplane.history";
