// What is shown of a service: its figures with plots, and its instances.

import { create } from "./dom.js";
import { format } from "./figures.js";
import { total } from "./metrics.js";
import { createPlot, draw } from "./plot.js";

export class Card {
  #service;
  #figures;
  #version = create("span");
  #instances = create("tbody");

  // `href`: the page of the service, unless it is this one.
  constructor(service, href) {
    this.#service = service;
    this.#figures = service.figures.map(({ label }) => {
      const [value, plot] = [create("span"), createPlot()];
      return { value, plot, element: create("div", {}, create("dt", {}, label), create("dd", {}, value, plot)) };
    });
    const columns = ["instance", "state", "up for", "memory", "CPU"];
    const head = create("tr", {}, ...columns.map((column) => create("th", { scope: "col" }, column)));
    const scroll = { className: "scroll", tabIndex: 0, role: "region", ariaLabel: `instances of ${service.name}` };
    this.element = create(
      "article",
      { id: service.name },
      create("h2", {}, href === undefined ? service.name : create("a", { href }, service.name)),
      create("p", {}, service.about, this.#version),
      create("dl", { className: "figures" }, ...this.#figures.map(({ element }) => element)),
      create("div", scroll, create("table", {}, create("thead", {}, head), this.#instances)),
    );
  }

  // `readings` has for each figure its value now and its points of the last hour.
  show(readings, instances, now) {
    for (const [index, { value, points }] of readings.entries()) {
      const { unit } = this.#service.figures[index];
      const { value: text, plot } = this.#figures[index];
      text.textContent = format(value, unit);
      if (points.length > 0) draw(plot, points, now, (value) => format(value, unit));
    }
    const versions = new Set(instances.map(({ metrics }) => version(metrics)).filter((version) => version !== undefined));
    this.#version.textContent = [...versions].map((version) => `; version ${version}`).join("");
    const rows = instances.map((instance) => this.#row(instance, now));
    const none = create("tr", {}, create("td", { colSpan: 5, className: "critical" }, "no instance"));
    this.#instances.replaceChildren(...(rows.length > 0 ? rows : [none]));
  }

  #row({ name, level, state, reason, metrics, cpu }, now) {
    const read = (metric) => (metrics === null ? null : total(metrics, metric));
    const start = read("process_start_time_seconds");
    return create(
      "tr",
      {},
      create("th", { scope: "row" }, name),
      create("td", { className: level, title: reason }, state),
      create("td", {}, start === null ? "–" : age(now / 1000 - start)),
      create("td", {}, format(read("process_resident_memory_bytes"), "bytes")),
      create("td", {}, cpu === null ? "–" : `${(100 * cpu).toFixed(0)} %`),
    );
  }
}

function version(metrics) {
  const info = metrics?.find(({ name }) => name.endsWith("_build_info"));
  return /version="([^"]*)"/.exec(info?.labels)?.[1];
}

// A time for people.
export function age(seconds) {
  for (const [unit, length] of [["d", 86400], ["h", 3600], ["min", 60]]) {
    if (seconds >= 2 * length) return `${Math.floor(seconds / length)} ${unit}`;
  }
  return `${Math.max(0, Math.floor(seconds))} s`;
}
