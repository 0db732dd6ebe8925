// The controls of a playback, of a scenario or a recording: pause, seek, speed, loop, replay, delete.
import { askBefore, setText } from "./dom.js";
import { request } from "./server.js";

const PARTS = ["state", "pause", "seek", "time", "speed", "loop", "replay", "delete"];

function positionOf({ playback: { state, speed, loop, position_ms, length_ms }, updatedAt }) {
  if (state !== "running") return Math.max(0, position_ms);
  if (speed === "max") return length_ms;
  const position = position_ms + (performance.now() - updatedAt) * speed;
  // Between two iterations of a loop there is a second.
  return Math.min(loop ? position % (length_ms + 1_000 * speed) : position, length_ms);
}

function formatTime(ms) {
  const tenths = Math.floor(ms / 100);
  const seconds = Math.floor(tenths / 10), minutes = Math.floor(seconds / 60), hours = Math.floor(minutes / 60);
  const pad = (number) => String(number).padStart(2, "0");
  return `${hours ? `${hours}:${pad(minutes % 60)}` : minutes}:${pad(seconds % 60)}.${tenths % 10}`;
}

// Makes the controls in `item` work, for what is named `label`. `stored()` returns its {playback, updatedAt}, `path(rest)` its
// URL. `change(action)` runs a request and shows what comes of it; `beforeJump` and `afterJump` run before and after a seek or a
// replay.
export function makeControls(item, { label, stored, path, change, beforeJump = () => {}, afterJump = () => {} }) {
  const controls = { label, isSeeking: false };
  for (const name of PARTS) controls[name] = item.querySelector(`.${name}`);
  const { pause, seek, speed, loop, replay } = controls;
  const patch = (body) => change(async () => request("PATCH", path("/playback"), JSON.stringify(body)));
  seek.setAttribute("aria-label", `Position of ${label}`);
  speed.setAttribute("aria-label", `Speed of ${label}`);
  loop.setAttribute("aria-label", `Loop ${label}`);
  replay.setAttribute("aria-label", `Replay ${label} from its start`);
  pause.onclick = () => patch({ paused: stored()?.playback.state !== "paused" });
  seek.oninput = () => {
    controls.isSeeking = true;
    if (stored()) showControls(controls, stored());
  };
  seek.onchange = async () => {
    beforeJump();
    await patch({ position_ms: Math.min(Number(seek.value), stored()?.playback.length_ms ?? 0) });
    controls.isSeeking = false;
    afterJump();
  };
  speed.onchange = () => {
    if (speed.value && speed.reportValidity()) patch({ speed: Number(speed.value) });
  };
  loop.onchange = () => patch({ loop: loop.checked });
  replay.onclick = () => {
    beforeJump();
    const isMax = speed.value === "" && stored()?.playback.speed === "max";
    const rate = isMax ? "max" : speed.value && speed.checkValidity() ? Number(speed.value) : 1;
    const body = JSON.stringify({ speed: rate, loop: loop.checked });
    change(async () => request("POST", path("/replay"), body));
  };
  askBefore(controls.delete, `Delete ${label}`, () => {
    change(async () => request("DELETE", path(""))).then(afterJump);
  });
  return controls;
}

export function showControls(controls, stored) {
  const { label, isSeeking, pause, seek, speed } = controls;
  const { state, speed: rate, loop, length_ms } = stored.playback;
  setText(controls.state, state);
  controls.state.dataset.state = state;
  setText(pause, state === "paused" ? "Resume" : "Pause");
  pause.setAttribute("aria-label", `${state === "paused" ? "Resume" : "Pause"} ${label}`);
  pause.disabled = state === "ended";
  seek.disabled = length_ms === 0;
  const step = Math.max(1, Math.ceil(length_ms / 200));
  seek.step = step;
  seek.max = Math.ceil(length_ms / step) * step;
  if (!isSeeking) seek.value = positionOf(stored);
  const position = formatTime(isSeeking ? Number(seek.value) : positionOf(stored));
  setText(controls.time, `${position} / ${formatTime(length_ms)}`);
  seek.setAttribute("aria-valuetext", `${position} of ${formatTime(length_ms)}`);
  speed.placeholder = rate === "max" ? "max" : "";
  speed.required = rate !== "max";
  if (document.activeElement !== speed) speed.value = rate === "max" ? "" : rate;
  controls.loop.checked = loop;
}
