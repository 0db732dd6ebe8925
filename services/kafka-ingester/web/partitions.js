// The partitions of all instances, with the lag of the last hour.

import { create } from "./console/dom.js";
import { format } from "./console/figures.js";
import { createPlot, draw } from "./console/plot.js";

export class PartitionTable {
  #body;
  #history;
  #plots = new Map();

  constructor(body, history) {
    this.#body = body;
    this.#history = history;
  }

  show(instances, now) {
    const partitions = instances.flatMap((instance) => lagsOf(instance)).sort((one, other) => compare(one, other));
    const rows = partitions.map((partition) => this.#row(partition, now));
    const none = create("tr", {}, create("td", { colSpan: 5 }, "none is assigned"));
    this.#body.replaceChildren(...(rows.length > 0 ? rows : [none]));
  }

  #row({ topic, partition, instance, lag }, now) {
    const name = `${topic}/${partition}`;
    const plot = this.#plots.get(name) ?? createPlot();
    this.#plots.set(name, plot);
    draw(plot, this.#history.add(`kafka-ingester lag ${name}`, now, lag), now, (value) => format(value));
    return create(
      "tr",
      {},
      create("th", { scope: "row" }, topic),
      create("td", { className: "number" }, partition),
      create("td", {}, instance),
      create("td", { className: "number" }, format(lag)),
      create("td", {}, plot),
    );
  }
}

function lagsOf({ name, metrics }) {
  const samples = (metrics ?? []).filter((sample) => sample.name === "kafka_ingester_lag");
  return samples.map(({ labels, value }) => ({ topic: label(labels, "topic"), partition: label(labels, "partition"), instance: name, lag: value }));
}

const label = (labels, name) => new RegExp(`(?:^|,)${name}="([^"]*)"`).exec(labels)?.[1] ?? "";

function compare(one, other) {
  return one.topic.localeCompare(other.topic) || Number(one.partition) - Number(other.partition);
}
