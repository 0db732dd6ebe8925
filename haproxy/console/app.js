// The console: every instance of every service, asked again and again.

import { byId, create } from "./dom.js";
import { SERVICES } from "./services.js";
import { Watch } from "./watch.js";

const watch = new Watch(SERVICES, "");
byId("services").append(...watch.cards);
byId("nav").append(
  ...SERVICES.map(({ name, page }) => create("a", { href: page }, name)),
  create("a", { href: "scenario-player/docs/" }, "API"),
);

function show(instances) {
  const ready = instances.filter(({ state }) => state.startsWith("ready")).length;
  byId("state").textContent = `${ready} of ${instances.length} instances take clients`;
  const missing = SERVICES.filter(({ name }) => !instances.some(({ service }) => service === name));
  const problems = [
    ...missing.map(({ name }) => `${name}: no instance`),
    ...instances.filter(({ reason }) => reason !== "").map(({ name, reason }) => `${name}: ${reason}`),
  ];
  byId("problems").replaceChildren(...problems.map((problem) => create("li", {}, problem)));
}

watch.run(show, () => {
  byId("state").textContent = "haproxy does not answer; trying again";
});
