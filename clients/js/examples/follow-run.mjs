// Prints the lines of a run as they are published: node follow-run.mjs URL RUN CHANNEL… The URL is that of status-proxy.

import { subscribe } from "../backplane.js";

const [url, run, ...channels] = process.argv.slice(2);
subscribe(url, {
  run,
  channels,
  WebSocket: globalThis.WebSocket ?? null, // node before 22 has none: then by server-sent events
  onLine: (text, { channel }) => console.log(channel, text),
  onGap: ({ channel }) => console.log(channel, "lines may be missing here"),
  onState: (state, { transport = "" }) => console.error(state, transport),
});
