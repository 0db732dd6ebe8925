// The partitions of all instances, with the rate and the lag of the last hour.

import { create } from "./console/dom.js";
import { FigureReader, format } from "./console/figures.js";
import { History } from "./console/history.js";
import { createPlot, draw } from "./console/plot.js";

const RATE = { metric: "kafka_ingester_partition_messages_applied_total", read: "rate", join: "sum" };
const LAG = { metric: "kafka_ingester_lag", read: "value", join: "max" };

export class PartitionTable {
  figures = [RATE, LAG];
  #body;
  #reader = new FigureReader();
  #history = new History();
  #plots = new Map();
  #partitions = [];

  constructor(body) {
    this.#body = body;
  }

  record(instances, time) {
    this.#partitions = partitionsOf(instances).map((partition) => ({
      ...partition,
      columns: this.figures.map((figure) => {
        const name = `${partition.labels} ${figure.metric}`;
        const value = this.#reader.read(figure, partition.parts, time);
        return { name, value, points: this.#history.add(name, time, value) };
      }),
    }));
  }

  show(now) {
    // A partition that nobody has now is not shown.
    const rows = this.#partitions.filter(({ instance }) => instance !== undefined).map((partition) => this.#row(partition, now));
    const none = create("tr", {}, create("td", { colSpan: 7 }, "none is assigned"));
    this.#body.replaceChildren(...(rows.length > 0 ? rows : [none]));
  }

  #row({ topic, number, instance, columns }, now) {
    const cells = columns.flatMap(({ name, value, points }) => {
      const plot = this.#plots.get(name) ?? createPlot();
      this.#plots.set(name, plot);
      if (points.length > 0) draw(plot, points, now, (value) => format(value));
      return [create("td", { className: "number" }, format(value)), create("td", {}, plot)];
    });
    return create("tr", {}, create("th", { scope: "row" }, topic), create("td", { className: "number" }, number), create("td", {}, instance), ...cells);
  }
}

// The partitions by topic and number: their labels, the part of each instance's metrics about them, and who has them now.
function partitionsOf(instances) {
  const partitions = new Map();
  for (const { name, metrics } of instances) {
    for (const sample of metrics ?? []) {
      if (sample.name !== RATE.metric && sample.name !== LAG.metric) continue;
      const { labels } = sample;
      const partition = partitions.get(labels) ?? { labels, topic: label(labels, "topic"), number: label(labels, "partition"), parts: new Map() };
      partitions.set(labels, partition);
      const part = partition.parts.get(name) ?? { name: `${name} ${labels}`, metrics: [] };
      partition.parts.set(name, part);
      part.metrics.push(sample);
      if (sample.name === LAG.metric) partition.instance = name;
    }
  }
  const list = [...partitions.values()].map((partition) => ({ ...partition, parts: [...partition.parts.values()] }));
  return list.sort((one, other) => one.topic.localeCompare(other.topic) || one.number - other.number);
}

const label = (labels, name) => new RegExp(`(?:^|,)${name}="([^"]*)"`).exec(labels)?.[1] ?? "";
