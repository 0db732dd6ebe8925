// The stored scenarios and their controls.
import { clearTrail, colourOf, customers, extendBounds, isPresent, refreshState } from "./customers.js";
import { $, askBefore, setText } from "./dom.js";
import { floorState, palette, requestDraw } from "./floor.js";
import { poll, reportProblem, request, runAction, scenarioPath } from "./server.js";
import { refreshUpcoming } from "./upcoming.js";

const ROWS_PER_PAGE = 10;
const ROW_PARTS = ["name", "position", "state", "pause", "seek", "time", "speed", "loop", "replay", "delete"];

export const scenarios = new Map(); // id -> {steps, playback, updatedAt}
let pendingSelection = null; // the id of a scenario that was posted and is not listed yet
let ids = [];
const rows = new Map(); // id -> row, of the page that is shown
let firstRow = 0;
const collator = new Intl.Collator("en", { numeric: true });

// Applies a list that was requested at `requestedAt`. Playbacks that were changed since then are newer, and stay.
function updateScenarios(list, requestedAt) {
  const updatedAt = performance.now();
  const listed = new Set(list.map(({ customer_id }) => customer_id));
  const isUnchanged = listed.size === scenarios.size && [...listed].every((id) => scenarios.has(id));
  for (const id of scenarios.keys()) if (!listed.has(id)) scenarios.delete(id);
  for (const { customer_id: id, steps, playback } of list) {
    if (!(scenarios.get(id)?.updatedAt > requestedAt)) scenarios.set(id, { steps, playback, updatedAt });
  }
  if (!isUnchanged) ids = [...listed].sort(collator.compare);
  if (floorState.selected !== null && !scenarios.has(floorState.selected)) selectCustomer(null);
  if (scenarios.has(pendingSelection)) selectCustomer(pendingSelection);
  showScenarios();
  requestDraw();
}

function updatePlayback(playback) {
  const scenario = scenarios.get(playback.customer_id);
  if (scenario) Object.assign(scenario, { playback, updatedAt: performance.now() });
  showScenarios();
  requestDraw();
}

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

async function changeScenario(action) {
  const playback = await runAction(action);
  if (playback?.customer_id !== undefined) updatePlayback(playback);
  refreshScenarios();
  refreshUpcoming();
}

const changePlayback = (id, change) =>
  changeScenario(async () => request("PATCH", scenarioPath(id, "/playback"), JSON.stringify(change)));

function makeRow(id) {
  const item = $("scenario-row").content.firstElementChild.cloneNode(true);
  const part = (name) => item.querySelector(`.${name}`);
  const row = { item, seeking: false };
  for (const name of ROW_PARTS) row[name] = part(name);
  item.dataset.customer = id;
  item.querySelector("bdi").textContent = id;
  row.dot = item.querySelector("i");
  row.name.title = `${id}: show on the floor`;
  row.seek.setAttribute("aria-label", `Position of ${id}`);
  row.speed.setAttribute("aria-label", `Speed of ${id}`);
  row.loop.setAttribute("aria-label", `Loop ${id}`);
  row.replay.setAttribute("aria-label", `Replay ${id} from its start`);
  row.name.onclick = () => selectCustomer(floorState.selected === id ? null : id);
  row.pause.onclick = () => changePlayback(id, { paused: scenarios.get(id)?.playback.state !== "paused" });
  row.seek.oninput = () => {
    row.seeking = true;
    showRow(id, row);
  };
  row.seek.onchange = async () => {
    clearTrail(id);
    const length_ms = scenarios.get(id)?.playback.length_ms ?? 0;
    await changePlayback(id, { position_ms: Math.min(Number(row.seek.value), length_ms) });
    row.seeking = false;
    refreshState();
  };
  row.speed.onchange = () => {
    if (row.speed.value && row.speed.reportValidity()) changePlayback(id, { speed: Number(row.speed.value) });
  };
  row.loop.onchange = () => changePlayback(id, { loop: row.loop.checked });
  row.replay.onclick = () => {
    clearTrail(id);
    const isMax = row.speed.value === "" && scenarios.get(id)?.playback.speed === "max";
    const speed = isMax ? "max" : row.speed.value && row.speed.checkValidity() ? Number(row.speed.value) : 1;
    const replay = JSON.stringify({ speed, loop: row.loop.checked });
    changeScenario(async () => request("POST", scenarioPath(id, "/replay"), replay));
  };
  askBefore(row.delete, `Delete ${id}`, () => {
    changeScenario(async () => request("DELETE", scenarioPath(id))).then(refreshState);
  });
  return row;
}

function showRow(id, row) {
  const scenario = scenarios.get(id);
  if (!scenario) return;
  const { state, speed, loop, length_ms } = scenario.playback;
  const customer = customers.get(id);
  row.item.classList.toggle("selected", floorState.selected === id);
  row.name.setAttribute("aria-pressed", floorState.selected === id);
  row.dot.style.background = palette.customers[colourOf(id)];
  setText(row.position, customer && isPresent(customer) ? `${customer.x}, ${customer.y}` : "");
  setText(row.state, state);
  row.state.dataset.state = state;
  setText(row.pause, state === "paused" ? "Resume" : "Pause");
  row.pause.setAttribute("aria-label", `${state === "paused" ? "Resume" : "Pause"} ${id}`);
  row.pause.disabled = state === "ended";
  row.seek.disabled = length_ms === 0;
  const step = Math.max(1, Math.ceil(length_ms / 200));
  row.seek.step = step;
  row.seek.max = Math.ceil(length_ms / step) * step;
  if (!row.seeking) row.seek.value = positionOf(scenario);
  const position = formatTime(row.seeking ? Number(row.seek.value) : positionOf(scenario));
  setText(row.time, `${position} / ${formatTime(length_ms)}`);
  row.seek.setAttribute("aria-valuetext", `${position} of ${formatTime(length_ms)}`);
  row.speed.placeholder = speed === "max" ? "max" : "";
  row.speed.required = speed !== "max";
  if (document.activeElement !== row.speed) row.speed.value = speed === "max" ? "" : speed;
  row.loop.checked = loop;
}

function shownIds() {
  const searched = $("filter").value.trim().toLowerCase();
  const found = searched ? ids.filter((id) => id.toLowerCase().includes(searched)) : ids;
  firstRow = Math.max(0, Math.min(firstRow, Math.floor((found.length - 1) / ROWS_PER_PAGE) * ROWS_PER_PAGE));
  const shown = found.slice(firstRow, firstRow + ROWS_PER_PAGE);
  // The selected customer is always shown, whatever page it is on.
  if (floorState.selected !== null && !shown.includes(floorState.selected)) shown.unshift(floorState.selected);
  $("pager").hidden = found.length <= ROWS_PER_PAGE;
  const last = Math.min(firstRow + ROWS_PER_PAGE, found.length);
  const [from, to, of] = [firstRow + 1, last, found.length].map((number) => number.toLocaleString("en"));
  setText($("range"), `${from}–${to} of ${of}`);
  $("previous").disabled = firstRow === 0;
  $("next").disabled = last === found.length;
  $("scenarios-empty").hidden = shown.length > 0;
  setText($("scenarios-empty"), ids.length ? "No id contains this text." : "No scenarios yet.");
  return shown;
}

function showScenarios() {
  const list = $("scenarios");
  const shown = shownIds();
  for (const [id, row] of rows) {
    if (shown.includes(id)) continue;
    row.item.remove();
    rows.delete(id);
  }
  shown.forEach((id, index) => {
    if (!rows.has(id)) rows.set(id, makeRow(id));
    const row = rows.get(id);
    if (list.children[index] !== row.item) list.insertBefore(row.item, list.children[index] ?? null);
    showRow(id, row);
  });
}

export async function selectCustomer(id) {
  Object.assign(floorState, { selected: id, plannedPath: [] });
  pendingSelection = null;
  showScenarios();
  requestDraw();
  const steps = scenarios.get(id)?.steps ?? 0;
  if (!steps || steps > 5_000) return; // such a long path would not be readable
  try {
    const { path } = await request("GET", scenarioPath(id));
    if (floorState.selected !== id) return;
    floorState.plannedPath = path.map(({ location }) => location);
    for (const { x, y } of floorState.plannedPath) extendBounds(x, y);
    requestDraw();
  } catch (error) {
    reportProblem("action", error);
  }
}

export const showRows = () => rows.forEach((row, id) => showRow(id, row));

export function selectWhenListed(id) {
  pendingSelection = id;
  refreshScenarios();
}

// After a step that has changed the state of its playback, the list is out of date.
export function onPublishedStep({ customer_id, type }) {
  const changesState = type === "EXIT" || scenarios.get(customer_id)?.playback.state === "waiting";
  if (changesState && rows.has(customer_id)) refreshScenarios();
}

export const refreshScenarios = poll("scenarios", 2_000, async () => {
  const requestedAt = performance.now();
  updateScenarios(await request("GET", "scenarios"), requestedAt);
});

export function startScenarios() {
  const showPage = (first) => {
    firstRow = first;
    showScenarios();
  };
  $("filter").oninput = () => showPage(0);
  $("previous").onclick = () => showPage(firstRow - ROWS_PER_PAGE);
  $("next").onclick = () => showPage(firstRow + ROWS_PER_PAGE);
  floorState.isPaused = (id) => scenarios.get(id)?.playback.state === "paused";
}
