// The page: the service's figures, its partitions, and its dead letters.

import { byId } from "./console/dom.js";
import { SERVICES } from "./console/services.js";
import { Watch } from "./console/watch.js";
import { DeadLetters } from "./dead_letters.js";
import { PartitionTable } from "./partitions.js";

const watch = new Watch(SERVICES.filter(({ name }) => name === "kafka-ingester"), "../");
byId("service").append(...watch.cards);

const partitions = new PartitionTable(byId("partitions"), watch.history);
watch.run(
  (instances, now) => {
    byId("state").textContent = instances.map(({ name, reason }) => (reason === "" ? "" : `${name}: ${reason}`)).filter(Boolean).join("; ");
    partitions.show(instances, now);
  },
  () => {
    byId("state").textContent = "no instance answers; trying again";
  },
);
new DeadLetters().refresh();
