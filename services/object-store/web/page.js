// The page: the service's figures, what is stored, and who waits.

import { byId } from "./console/dom.js";
import { SERVICES } from "./console/services.js";
import { Watch } from "./console/watch.js";
import { Objects } from "./objects.js";

const watch = new Watch(SERVICES.filter(({ name }) => name === "object-store"), "../");
byId("service").append(...watch.cards);
watch.run(
  (instances) => {
    byId("state").textContent = instances.filter(({ reason }) => reason !== "").map(({ name, reason }) => `${name}: ${reason}`).join("; ");
  },
  () => {
    byId("state").textContent = "no instance answers; trying again";
  },
);
new Objects().refresh();
