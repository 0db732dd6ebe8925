// The steps that are due next, with the time until then.
import { see } from "./customers.js";
import { $, setText } from "./dom.js";
import { call, poll, serverNow } from "./server.js";

const COMING = 50;

export let coming = [];
let comingAsOf = 0; // the server's time

function takeTimeline(list, asOf) {
  coming = list.map((step) => ({ ...step, due: Date.parse(step.timestamp) }));
  comingAsOf = asOf;
  for (const { location } of coming) see(location.x, location.y);
  showComing();
}

export function showComing() {
  const now = serverNow();
  // What fell due since we asked has been published, for all we know. Fifty steps may be due at once: they stay until
  // we have asked again.
  const brief = coming.length === COMING && coming.at(-1).due - comingAsOf < 1_000;
  const left = brief ? coming : coming.filter(({ due }) => due <= comingAsOf || due > now - 300);
  const list = $("coming");
  while (list.children.length < left.length) list.append($("coming-row").content.cloneNode(true));
  while (list.children.length > left.length) list.lastElementChild.remove();
  left.forEach((step, index) => {
    const item = list.children[index];
    const seconds = (step.due - now) / 1000;
    const late = step.due <= comingAsOf - 1_000;
    item.className = late ? "late" : seconds <= 0 ? "now" : "";
    setText(item.children[0], late ? `${duration(-seconds)} late` : seconds <= 0 ? "now" : `in ${duration(seconds)}`);
    setText(item.children[1], step.type);
    setText(item.children[2], step.customer_id);
    setText(item.children[3], `${step.location.x}, ${step.location.y}`);
  });
  $("coming-empty").hidden = left.length > 0;
}

function duration(seconds) {
  if (seconds < 60) return `${seconds.toFixed(1)} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)}m ${Math.floor(seconds % 60)}s`;
  if (seconds < 86400) return `${Math.floor(seconds / 3600)}h ${Math.floor((seconds / 60) % 60)}m`;
  return `${Math.floor(seconds / 86400)}d ${Math.floor((seconds / 3600) % 24)}h`;
}

export const askTimeline = poll("timeline", 1_000, async () => {
  const asked = serverNow();
  takeTimeline(await call("GET", `timeline?limit=${COMING}`), asked);
});
