// Asks all instances of some services again and again, and shows their cards.

import { Card } from "./card.js";
import { byId } from "./dom.js";
import { FigureReader, metricsOf } from "./figures.js";
import { History } from "./history.js";
import { readInstances, readOwnInstance, readPast } from "./instances.js";
import { SERVICES } from "./services.js";

const INTERVAL_MS = 5000;
const CPU = { metric: "process_cpu_seconds_total", read: "rate", join: "sum" };

// Watches the service whose page this is: its card is in #service, and what is wrong with its instances in #state. `more` is shown
// as well: it has `figures`, `record(instances, time)` and `show()`.
export function watchService(name, more) {
  const watch = new Watch(SERVICES.filter((service) => service.name === name), "../", more);
  byId("service").append(...watch.cards);
  watch.run(
    (instances) => {
      byId("state").textContent = instances.filter(({ reason }) => reason !== "").map(({ name, reason }) => `${name}: ${reason}`).join("; ");
    },
    () => {
      byId("state").textContent = "no instance answers; trying again";
    },
  );
}

export class Watch {
  #services;
  #base;
  #more;
  #cards;
  #figures = new FigureReader();
  #history = new History();
  #canAskHaproxy;
  #hasPast = false;

  // `base` leads from the page to where haproxy serves all services. Where it does not, the one service's page shows the
  // instance that has served it.
  constructor(services, base, more = { figures: [], record() {}, show() {} }) {
    this.#services = services;
    this.#base = base;
    this.#more = more;
    this.#cards = new Map(services.map((service) => [service.name, new Card(service, services.length > 1 ? `${base}${service.page}` : undefined)]));
  }

  get cards() {
    return [...this.#cards.values()].map(({ element }) => element);
  }

  // Calls `onInstances(instances)` each time, and `onFailure` when haproxy does not answer.
  async run(onInstances, onFailure) {
    for (;;) {
      try {
        const instances = await this.#read();
        if (!this.#hasPast) await this.#recordPast(instances);
        this.#hasPast = true;
        this.#show(instances, Date.now());
        onInstances(instances);
      } catch {
        onFailure();
      }
      await new Promise((resolve) => setTimeout(resolve, INTERVAL_MS));
    }
  }

  async #read() {
    const isOnePage = this.#services.length === 1;
    if (!isOnePage || this.#canAskHaproxy !== false) {
      try {
        const instances = await readInstances(this.#services, this.#base);
        this.#canAskHaproxy = true;
        return instances;
      } catch (error) {
        if (!isOnePage || this.#canAskHaproxy) throw error;
        this.#canAskHaproxy = false;
      }
    }
    return [await readOwnInstance(this.#services[0].name)];
  }

  // What the instances remember of the last hour, so that the plots begin before the page was opened.
  async #recordPast(instances) {
    const figures = [...this.#services.flatMap((service) => service.figures), ...this.#more.figures];
    const pasts = await Promise.all(instances.map((instance) => readPast(instance, metricsOf(figures))));
    const times = new Set(pasts.flatMap((past) => [...past.keys()]));
    for (const time of [...times].sort((one, other) => one - other)) {
      this.#record(instances.map((instance, index) => ({ ...instance, metrics: pasts[index].get(time) ?? null })), time);
    }
  }

  // Reads the figures of each service at this time: their values, and their points of the last hour.
  #record(instances, time) {
    this.#more.record(instances, time);
    return this.#services.map((service) => {
      const own = instances.filter((instance) => instance.service === service.name);
      const readings = service.figures.map((figure) => {
        const value = this.#figures.read(figure, own, time);
        return { value, points: this.#history.add(`${service.name} ${figure.label}`, time, value) };
      });
      return { name: service.name, own, readings };
    });
  }

  #show(instances, now) {
    for (const instance of instances) instance.cpu = this.#figures.read(CPU, [instance], now);
    for (const { name, own, readings } of this.#record(instances, now)) this.#cards.get(name).show(readings, own, now);
    this.#more.show(now);
  }
}
