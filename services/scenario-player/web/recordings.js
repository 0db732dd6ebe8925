// The stored recordings and their controls. Their section is there while there are any.
import { makeControls, showControls } from "./controls.js";
import { $, plural, setText } from "./dom.js";
import { poll, request, runAction } from "./server.js";
import { refreshUpcoming } from "./upcoming.js";

const recordings = new Map(); // name -> {messages, playback, updatedAt}
const rows = new Map(); // name -> {item, count, controls}

// The path of a recording. Its name has only letters that a URL may have.
const path = (name, rest) => `recordings/${name}${rest}`;

async function change(action) {
  const playback = await runAction(action);
  const recording = recordings.get(playback?.name);
  if (recording) Object.assign(recording, { playback, updatedAt: performance.now() });
  showRecordings();
  refreshRecordings();
  refreshUpcoming();
}

function makeRow(name) {
  const item = $("recording-row").content.firstElementChild.cloneNode(true);
  item.dataset.recording = name;
  setText(item.querySelector("bdi"), name);
  const controls = makeControls(item, {
    label: name,
    stored: () => recordings.get(name),
    path: (rest) => path(name, rest),
    change,
  });
  return { item, count: item.querySelector(".count"), controls };
}

export function showRecordings() {
  for (const [name, { item }] of rows) {
    if (recordings.has(name)) continue;
    item.remove();
    rows.delete(name);
  }
  for (const [name, recording] of recordings) {
    if (!rows.has(name)) {
      rows.set(name, makeRow(name));
      $("recordings").append(rows.get(name).item);
    }
    const { count, controls } = rows.get(name);
    setText(count, plural(recording.messages, "message"));
    showControls(controls, recording);
  }
  $("recordings-section").hidden = recordings.size === 0;
}

// Applies a list that was requested at `requestedAt`. Playbacks that were changed since then are newer, and stay.
function updateRecordings(list, requestedAt) {
  const updatedAt = performance.now();
  const listed = new Set(list.map(({ name }) => name));
  for (const name of recordings.keys()) if (!listed.has(name)) recordings.delete(name);
  for (const { name, messages, playback } of list) {
    if (!(recordings.get(name)?.updatedAt > requestedAt)) recordings.set(name, { messages, playback, updatedAt });
  }
  showRecordings();
}

export const refreshRecordings = poll("recordings", 2_000, async () => {
  const requestedAt = performance.now();
  updateRecordings(await request("GET", "recordings"), requestedAt);
});
