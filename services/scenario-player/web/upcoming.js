// The list of the next steps, with the time until each is due.
import { extendBounds } from "./customers.js";
import { $, describeEvent, setText } from "./dom.js";
import { poll, request, serverNow } from "./server.js";

const MAX_STEPS = 50;

let upcoming = [];
let loadedAt = 0; // by the server's clock

function updateUpcoming(steps, requestedAt) {
  upcoming = steps.map((step) => ({ ...step, due: Date.parse(step.timestamp) }));
  loadedAt = requestedAt;
  for (const { x, y } of upcomingLocations()) extendBounds(x, y);
  showUpcoming();
}

// Where the next steps are. Messages of recordings are nowhere.
export const upcomingLocations = () => upcoming.flatMap(({ location }) => location ?? []);

export function showUpcoming() {
  const now = serverNow();
  // A step that was due after the list was loaded has probably been published, so it is left out. But if all steps of a full
  // list are due within a second, they stay until the next list is loaded: otherwise the list would be empty until then.
  const isShortTime = upcoming.length === MAX_STEPS && upcoming.at(-1).due - loadedAt < 1_000;
  const shown = isShortTime ? upcoming : upcoming.filter(({ due }) => due <= loadedAt || due > now - 300);
  const list = $("upcoming");
  while (list.children.length < shown.length) list.append($("upcoming-row").content.cloneNode(true));
  while (list.children.length > shown.length) list.lastElementChild.remove();
  shown.forEach((step, index) => {
    const item = list.children[index];
    const seconds = (step.due - now) / 1000;
    const isLate = step.due <= loadedAt - 1_000;
    item.className = isLate ? "late" : seconds <= 0 ? "now" : "";
    setText(item.children[0], isLate ? `${duration(-seconds)} late` : seconds <= 0 ? "now" : `in ${duration(seconds)}`);
    const { type, owner, place } = describeEvent(step);
    setText(item.children[1], type);
    setText(item.children[2], owner);
    setText(item.children[3], place);
  });
  $("upcoming-empty").hidden = shown.length > 0;
}

function duration(seconds) {
  if (seconds < 60) return `${seconds.toFixed(1)} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)}m ${Math.floor(seconds % 60)}s`;
  if (seconds < 86400) return `${Math.floor(seconds / 3600)}h ${Math.floor((seconds / 60) % 60)}m`;
  return `${Math.floor(seconds / 86400)}d ${Math.floor((seconds / 3600) % 24)}h`;
}

export const refreshUpcoming = poll("timeline", 1_000, async () => {
  const requestedAt = serverNow();
  updateUpcoming(await request("GET", `timeline?limit=${MAX_STEPS}`), requestedAt);
});
