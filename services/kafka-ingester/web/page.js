// The page: the service's figures, its partitions, and its dead letters.

import { byId } from "./console/dom.js";
import { watchService } from "./console/watch.js";
import { DeadLetters } from "./dead_letters.js";
import { PartitionTable } from "./partitions.js";

watchService("kafka-ingester", new PartitionTable(byId("partitions")));
new DeadLetters().refresh();
