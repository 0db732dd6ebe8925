// The stored recordings and their controls. Their section is there while there are any.
import { makeControls, showControls } from "./controls.js";
import { $, plural, setText } from "./dom.js";
import { poll, request, runAction } from "./server.js";
import { applyList, applyPlayback } from "./stored.js";
import { refreshUpcoming } from "./upcoming.js";

const recordings = new Map(); // name -> {messages, playback, updatedAt}
const rows = new Map(); // name -> {item, count, controls}

// The path of a recording. Its name has only letters that a URL may have.
const path = (name, rest) => `recordings/${name}${rest}`;

async function change(action) {
  const playback = await runAction(action);
  applyPlayback(recordings, playback?.name, playback);
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

export const refreshRecordings = poll("recordings", 2_000, async () => {
  const requestedAt = performance.now();
  const list = await request("GET", "recordings");
  applyList(recordings, list.map(({ name, messages, playback }) => [name, { messages, playback }]), requestedAt);
  showRecordings();
});
