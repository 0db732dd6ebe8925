// The stored scenarios and their controls.
import { makeControls, showControls } from "./controls.js";
import { clearTrail, colourOf, customers, extendBounds, isPresent, refreshState } from "./customers.js";
import { $, setText } from "./dom.js";
import { floorState, palette, requestDraw } from "./floor.js";
import { poll, reportProblem, request, runAction, scenarioPath } from "./server.js";
import { applyList, applyPlayback } from "./stored.js";
import { refreshUpcoming } from "./upcoming.js";

const ROWS_PER_PAGE = 10;

export const scenarios = new Map(); // id -> {steps, playback, updatedAt}
let pendingSelection = null; // the id of a scenario that was posted and is not listed yet
let ids = [];
const rows = new Map(); // id -> row, of the page that is shown
let firstRow = 0;
const collator = new Intl.Collator("en", { numeric: true });

function updateScenarios(list, requestedAt) {
  const hasSameIds = list.length === scenarios.size && list.every(({ customer_id }) => scenarios.has(customer_id));
  applyList(scenarios, list.map(({ customer_id, steps, playback }) => [customer_id, { steps, playback }]), requestedAt);
  if (!hasSameIds) ids = [...scenarios.keys()].sort(collator.compare);
  if (floorState.selected !== null && !scenarios.has(floorState.selected)) selectCustomer(null);
  if (scenarios.has(pendingSelection)) selectCustomer(pendingSelection);
  showScenarios();
  requestDraw();
}

function updatePlayback(playback) {
  applyPlayback(scenarios, playback.customer_id, playback);
  showScenarios();
  requestDraw();
}

async function changeScenario(action) {
  const playback = await runAction(action);
  if (playback?.customer_id !== undefined) updatePlayback(playback);
  refreshScenarios();
  refreshUpcoming();
}

function makeRow(id) {
  const item = $("scenario-row").content.firstElementChild.cloneNode(true);
  const part = (name) => item.querySelector(name);
  item.dataset.customer = id;
  setText(part("bdi"), id);
  const row = { item, dot: part("i"), name: part(".name"), position: part(".position") };
  row.name.title = `${id}: show on the floor`;
  row.name.onclick = () => selectCustomer(floorState.selected === id ? null : id);
  row.controls = makeControls(item, {
    label: id,
    stored: () => scenarios.get(id),
    path: (rest) => scenarioPath(id, rest),
    change: changeScenario,
    beforeJump: () => clearTrail(id),
    afterJump: refreshState,
  });
  return row;
}

function showRow(id, row) {
  const scenario = scenarios.get(id);
  if (!scenario) return;
  const customer = customers.get(id);
  row.item.classList.toggle("selected", floorState.selected === id);
  row.name.setAttribute("aria-pressed", floorState.selected === id);
  row.dot.style.background = palette.customers[colourOf(id)];
  setText(row.position, customer && isPresent(customer) ? `${customer.x}, ${customer.y}` : "");
  showControls(row.controls, scenario);
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
