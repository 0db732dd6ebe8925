// The page: the service's figures, and its datasets.

import { byId } from "./console/dom.js";
import { SERVICES } from "./console/services.js";
import { Watch } from "./console/watch.js";
import { Datasets } from "./datasets.js";

const watch = new Watch(SERVICES.filter(({ name }) => name === "etl-worker"), "../");
byId("service").append(...watch.cards);
watch.run(
  (instances) => {
    byId("state").textContent = instances.filter(({ reason }) => reason !== "").map(({ name, reason }) => `${name}: ${reason}`).join("; ");
  },
  () => {
    byId("state").textContent = "no instance answers; trying again";
  },
);
new Datasets().refresh();
