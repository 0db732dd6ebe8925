// The page: the service's figures, what is stored, and who waits.

import { watchService } from "./console/watch.js";
import { Objects } from "./objects.js";

watchService("object-store");
new Objects().refresh();
