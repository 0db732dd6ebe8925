// Asks all instances of some services again and again, and shows their cards.

import { Card } from "./card.js";
import { byId } from "./dom.js";
import { FigureReader } from "./figures.js";
import { History } from "./history.js";
import { readInstances, readOwnInstance } from "./instances.js";
import { SERVICES } from "./services.js";

const INTERVAL_MS = 5000;
const CPU = { metric: "process_cpu_seconds_total", read: "rate", join: "sum" };

// Watches the service whose page this is: its card is in #service, and what is wrong with its instances in #state.
export function watchService(name, onInstances = () => {}) {
  const watch = new Watch(SERVICES.filter((service) => service.name === name), "../");
  byId("service").append(...watch.cards);
  watch.run(
    (instances, now) => {
      byId("state").textContent = instances.filter(({ reason }) => reason !== "").map(({ name, reason }) => `${name}: ${reason}`).join("; ");
      onInstances(instances, now);
    },
    () => {
      byId("state").textContent = "no instance answers; trying again";
    },
  );
  return watch;
}

export class Watch {
  #services;
  #base;
  #cards;
  #figures = new FigureReader();
  #canAskHaproxy;
  history = new History();

  // `base` leads from the page to where haproxy serves all services. Where it does not, the one service's page shows the
  // instance that has served it.
  constructor(services, base) {
    this.#services = services;
    this.#base = base;
    this.#cards = new Map(services.map((service) => [service.name, new Card(service, services.length > 1 ? `${base}${service.page}` : undefined)]));
  }

  get cards() {
    return [...this.#cards.values()].map(({ element }) => element);
  }

  // Calls `onInstances(instances, now)` each time, and `onFailure` when haproxy does not answer.
  async run(onInstances, onFailure) {
    for (;;) {
      try {
        const [instances, now] = [await this.#read(), Date.now()];
        this.#show(instances, now);
        onInstances(instances, now);
        this.history.save();
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

  #show(instances, now) {
    for (const instance of instances) instance.cpu = this.#figures.read(CPU, [instance], now);
    for (const service of this.#services) {
      const own = instances.filter((instance) => instance.service === service.name);
      const readings = service.figures.map((figure) => {
        const value = this.#figures.read(figure, own, now);
        return { value, points: value === null ? [] : this.history.add(`${service.name} ${figure.label}`, now, value) };
      });
      this.#cards.get(service.name).show(readings, own, now);
    }
  }
}
