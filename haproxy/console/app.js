// The console: every instance of every service, asked again and again.

import { Card, create } from "./card.js";
import { FigureReader } from "./figures.js";
import { History } from "./history.js";
import { readInstances } from "./instances.js";
import { SERVICES } from "./services.js";

const INTERVAL_MS = 5000;
const CPU = { metric: "process_cpu_seconds_total", read: "rate", join: "sum" };

const [history, reader] = [new History(), new FigureReader()];
const cards = new Map(SERVICES.map((service) => [service.name, new Card(service)]));
const byId = (id) => document.getElementById(id);
byId("services").append(...SERVICES.map(({ name }) => cards.get(name).element));
byId("nav").append(
  ...SERVICES.map(({ name, page }) => create("a", { href: page }, name)),
  create("a", { href: "scenario-player/docs/" }, "API"),
);

async function refresh() {
  try {
    show(await readInstances(), Date.now());
  } catch {
    byId("state").textContent = "haproxy does not answer; trying again";
  }
  setTimeout(refresh, INTERVAL_MS);
}

function show(instances, now) {
  for (const instance of instances) instance.cpu = reader.read(CPU, [instance], now);
  for (const service of SERVICES) {
    const own = instances.filter((instance) => instance.service === service.name);
    const readings = service.figures.map((figure) => {
      const value = reader.read(figure, own, now);
      return { value, points: value === null ? [] : history.add(`${service.name} ${figure.label}`, now, value) };
    });
    cards.get(service.name).show(readings, own, now);
  }
  history.save();
  const ready = instances.filter(({ state }) => state.startsWith("ready")).length;
  byId("state").textContent = `${ready} of ${instances.length} instances take clients`;
  const missing = SERVICES.filter(({ name }) => !instances.some(({ service }) => service === name));
  const problems = [
    ...missing.map(({ name }) => `${name}: no instance`),
    ...instances.filter(({ reason }) => reason !== "").map(({ name, reason }) => `${name}: ${reason}`),
  ];
  byId("problems").replaceChildren(...problems.map((problem) => create("li", {}, problem)));
}

refresh();
