// From what the instances of a service say to the figures of the service.

import { total } from "./metrics.js";

// Remembers what was read last, for what has to be compared.
export class FigureReader {
  #last = new Map();

  // The figure's value over these instances at this time in ms; null while it is not known.
  read(figure, instances, time) {
    const values = instances.map((instance) => this.#readOne(figure, instance, time)).filter((value) => value !== null);
    if (values.length === 0) return null;
    return figure.join === "sum" ? values.reduce((sum, value) => sum + value, 0) : Math.max(...values);
  }

  #readOne(figure, { name, metrics }, time) {
    if (metrics === null) return null;
    if (figure.read === "value") return total(metrics, figure.metric);
    const now = partsOf(figure).map((metric) => total(metrics, metric) ?? 0);
    const key = `${name} ${figure.metric}`;
    const last = this.#last.get(key);
    this.#last.set(key, { time, now });
    if (!last) return null;
    // A process that has started anew counts from 0 again.
    const grown = now.map((value, index) => (value >= last.now[index] ? value - last.now[index] : value));
    if (figure.read === "mean") return grown[1] === 0 ? null : (1000 * grown[0]) / grown[1];
    return (1000 * grown[0]) / (time - last.time);
  }
}

// The names of the metrics that these figures are made of.
export const metricsOf = (figures) => figures.flatMap(partsOf).map((metric) => metric.split("{")[0]);

const partsOf = ({ metric, read }) => (read === "mean" ? [`${metric}_sum`, `${metric}_count`] : [metric]);

// A number for people: three digits that matter.
export function format(value, unit) {
  if (value === null) return "–";
  if (unit === "bytes") return scale(value, 1024, ["B", "KiB", "MiB", "GiB", "TiB"]);
  if (unit === "ms") return `${digits(value)} ms`;
  return scale(value, 1000, ["", "k", "M", "G"]).trim();
}

function scale(value, step, units) {
  let power = 0;
  while (value >= step && power < units.length - 1) {
    value /= step;
    power += 1;
  }
  return `${digits(value)} ${units[power]}`;
}

function digits(value) {
  if (Number.isInteger(value)) return String(value);
  return value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2);
}
