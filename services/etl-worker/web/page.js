// The page: the service's figures, and its datasets.

import { watchService } from "./console/watch.js";
import { Datasets } from "./datasets.js";

watchService("etl-worker");
new Datasets().refresh();
