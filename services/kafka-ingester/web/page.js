// The page: the service's figures, its partitions, and its dead letters.

import { byId } from "./console/dom.js";
import { watchService } from "./console/watch.js";
import { DeadLetters } from "./dead_letters.js";
import { PartitionTable } from "./partitions.js";

const watch = watchService("kafka-ingester", (instances, now) => partitions.show(instances, now));
const partitions = new PartitionTable(byId("partitions"), watch.history);
new DeadLetters().refresh();
