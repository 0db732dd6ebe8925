// The stored scenarios and their controls.
import { askState, colourOf, customers, isHere, jump, see } from "./customers.js";
import { askTimeline } from "./coming.js";
import { $, setText } from "./dom.js";
import { look, paint, wake } from "./floor.js";
import { call, pathOf, poll, report } from "./server.js";

const ROWS = 10; // a page
const PARTS = ["name", "place", "state", "pause", "seek", "time", "speed", "loop", "replay", "delete"];

export const scenarios = new Map(); // id -> {steps, playback, at}
let toSelect = null; // the id of a scenario that was posted and has yet to be listed
let ids = [];
const rows = new Map(); // of the page that is shown
let firstRow = 0;
const collator = new Intl.Collator("en", { numeric: true });

// The list that was asked for at `asked`: a playback that was changed since then is newer.
function takeScenarios(list, asked) {
  const at = performance.now();
  const listed = new Set(list.map(({ customer_id }) => customer_id));
  const isKnown = listed.size === scenarios.size && [...listed].every((id) => scenarios.has(id));
  for (const id of scenarios.keys()) if (!listed.has(id)) scenarios.delete(id);
  for (const { customer_id: id, steps, playback } of list) {
    if (!(scenarios.get(id)?.at > asked)) scenarios.set(id, { steps, playback, at });
  }
  if (!isKnown) ids = [...listed].sort(collator.compare);
  if (look.selected !== null && !scenarios.has(look.selected)) select(null);
  if (scenarios.has(toSelect)) select(toSelect);
  showScenarios();
  wake();
}

function takePlayback(playback) {
  const scenario = scenarios.get(playback.customer_id);
  if (scenario) Object.assign(scenario, { playback, at: performance.now() });
  showScenarios();
  wake();
}

function positionOf({ playback: { state, speed, loop, position_ms, length_ms }, at }) {
  if (state !== "running") return Math.max(0, position_ms);
  const position = position_ms + (performance.now() - at) * speed;
  // A second lies between the rounds of a loop.
  return Math.min(loop ? position % (length_ms + 1_000 * speed) : position, length_ms);
}

function clock(ms) {
  const tenths = Math.floor(ms / 100);
  const seconds = Math.floor(tenths / 10), minutes = Math.floor(seconds / 60), hours = Math.floor(minutes / 60);
  const two = (number) => String(number).padStart(2, "0");
  return `${hours ? `${hours}:${two(minutes % 60)}` : minutes}:${two(seconds % 60)}.${tenths % 10}`;
}

async function act(work) {
  try {
    const playback = await work();
    report("action");
    if (playback?.customer_id !== undefined) takePlayback(playback);
  } catch (error) {
    report("action", error);
  }
  askScenarios();
  askTimeline();
}

const patch = (id, change) => act(async () => call("PATCH", pathOf(id, "/playback"), JSON.stringify(change)));

function makeRow(id) {
  const item = $("scenario-row").content.firstElementChild.cloneNode(true);
  const part = (name) => item.querySelector(`.${name}`);
  const row = { item, seeking: false };
  for (const name of PARTS) row[name] = part(name);
  item.dataset.customer = id;
  item.querySelector("bdi").textContent = id;
  row.dot = item.querySelector("i");
  row.name.title = `${id}: show on the floor`;
  row.seek.setAttribute("aria-label", `Position of ${id}`);
  row.speed.setAttribute("aria-label", `Speed of ${id}`);
  row.loop.setAttribute("aria-label", `Loop ${id}`);
  row.replay.setAttribute("aria-label", `Replay ${id} from its start`);
  row.delete.setAttribute("aria-label", `Delete ${id}`);
  row.name.onclick = () => select(look.selected === id ? null : id);
  row.pause.onclick = () => patch(id, { paused: scenarios.get(id)?.playback.state !== "paused" });
  row.seek.oninput = () => {
    row.seeking = true;
    showRow(id, row);
  };
  row.seek.onchange = async () => {
    jump(id);
    await patch(id, { position_ms: Math.min(Number(row.seek.value), scenarios.get(id)?.playback.length_ms ?? 0) });
    row.seeking = false;
    askState();
  };
  row.speed.onchange = () => {
    if (row.speed.reportValidity()) patch(id, { speed: Number(row.speed.value) });
  };
  row.loop.onchange = () => patch(id, { loop: row.loop.checked });
  row.replay.onclick = () => {
    jump(id);
    const speed = row.speed.checkValidity() ? Number(row.speed.value) : 1;
    act(async () => call("POST", pathOf(id, "/replay"), JSON.stringify({ speed, loop: row.loop.checked })));
  };
  row.delete.onclick = () => {
    if (row.delete.classList.contains("sure")) {
      act(async () => call("DELETE", pathOf(id))).then(askState);
    } else {
      setTimeout(() => sure(false), 4_000);
    }
    sure(!row.delete.classList.contains("sure"));
  };
  const sure = (yes) => {
    row.delete.classList.toggle("sure", yes);
    row.delete.textContent = yes ? "Really?" : "Delete";
    row.delete.setAttribute("aria-label", yes ? `Really delete ${id}?` : `Delete ${id}`);
  };
  return row;
}

function showRow(id, row) {
  const scenario = scenarios.get(id);
  if (!scenario) return;
  const { state, speed, loop, length_ms } = scenario.playback;
  const customer = customers.get(id);
  row.item.classList.toggle("selected", look.selected === id);
  row.name.setAttribute("aria-pressed", look.selected === id);
  row.dot.style.background = paint.colours[colourOf(id)];
  setText(row.place, customer && isHere(customer) ? `${customer.x}, ${customer.y}` : "");
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
  const position = clock(row.seeking ? Number(row.seek.value) : positionOf(scenario));
  setText(row.time, `${position} / ${clock(length_ms)}`);
  row.seek.setAttribute("aria-valuetext", `${position} of ${clock(length_ms)}`);
  if (document.activeElement !== row.speed) row.speed.value = speed;
  row.loop.checked = loop;
}

function shownIds() {
  const wanted = $("filter").value.trim().toLowerCase();
  const found = wanted ? ids.filter((id) => id.toLowerCase().includes(wanted)) : ids;
  firstRow = Math.max(0, Math.min(firstRow, Math.floor((found.length - 1) / ROWS) * ROWS));
  const shown = found.slice(firstRow, firstRow + ROWS);
  // Who was chosen on the floor is at hand, wherever the list is.
  if (look.selected !== null && !shown.includes(look.selected)) shown.unshift(look.selected);
  $("pager").hidden = found.length <= ROWS;
  const last = Math.min(firstRow + ROWS, found.length);
  const [from, to, of] = [firstRow + 1, last, found.length].map((number) => number.toLocaleString("en"));
  setText($("range"), `${from}–${to} of ${of}`);
  $("previous").disabled = firstRow === 0;
  $("next").disabled = last === found.length;
  $("scenarios-empty").hidden = shown.length > 0;
  setText($("scenarios-empty"), ids.length ? "No customer has this in the id." : "No scenarios yet.");
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

export async function select(id) {
  Object.assign(look, { selected: id, planned: [] });
  toSelect = null;
  showScenarios();
  wake();
  const steps = scenarios.get(id)?.steps ?? 0;
  if (!steps || steps > 5_000) return; // too long a line to be of use
  try {
    const { path } = await call("GET", pathOf(id));
    if (look.selected !== id) return;
    look.planned = path.map(({ location }) => location);
    for (const { x, y } of look.planned) see(x, y);
    wake();
  } catch (error) {
    report("action", error);
  }
}

export const showRows = () => rows.forEach((row, id) => showRow(id, row));

export function selectWhenListed(id) {
  toSelect = id;
  askScenarios();
}

// A step that tells of more than a place: what is shown of its scenario is out of date.
export function heed({ customer_id, type }) {
  const isNews = type === "EXIT" || scenarios.get(customer_id)?.playback.state === "waiting";
  if (isNews && rows.has(customer_id)) askScenarios();
}

export const askScenarios = poll("scenarios", 2_000, async () => {
  const asked = performance.now();
  takeScenarios(await call("GET", "scenarios"), asked);
});

export function startScenarios() {
  const turn = (first) => {
    firstRow = first;
    showScenarios();
  };
  $("filter").oninput = () => turn(0);
  $("previous").onclick = () => turn(firstRow - ROWS);
  $("next").onclick = () => turn(firstRow + ROWS);
  look.isPaused = (id) => scenarios.get(id)?.playback.state === "paused";
}
