// The page of scenario-player: connects the other files, and receives steps as they are published.
//
// For tests: scenarioPlayer.positions() returns what the floor shows, [{customer_id, x, y, status, timestamp, screen}]. x and y
// are as published last. screen is {x, y} in CSS pixels of #floor, where the (moving) marker was last drawn.
// #connection[data-state] is connecting, live or reconnecting. li.scenario[data-customer] has a customer's controls.
// li.recording[data-recording] is a recording with its controls, li.dead[data-id] a dead letter.
import { customers, fitBounds, isPresent, labelOf, refreshState, removeExpired, updateCustomer } from "./customers.js";
import { refreshDeadLetters, startDeadLetters } from "./dead_letters.js";
import { $, plural, setText } from "./dom.js";
import { floorState, startDrawing } from "./floor.js";
import { renewExample, startForm } from "./form.js";
import { refreshRecordings, showRecordings } from "./recordings.js";
import {
  onPublishedStep, refreshScenarios, scenarios, selectCustomer, showRows, startScenarios,
} from "./scenarios.js";
import { refreshUpcoming, showUpcoming, upcomingLocations } from "./upcoming.js";

let publishedCount = 0, publishedCountBefore = 0;
let lastPublished = null;

function onPublished(step) {
  publishedCount++;
  lastPublished = step;
  if (step.recording !== undefined) return;
  updateCustomer(step.customer_id, step.location, step.type, step.timestamp);
  onPublishedStep(step);
}

function describe({ recording, index, customer_id, type, location }) {
  if (recording !== undefined) return `message ${index + 1} of ${recording}`;
  return `${type} of ${labelOf(customer_id)} at ${location.x}, ${location.y}`;
}

function setConnection(state, text) {
  $("connection").dataset.state = state;
  setText($("connection"), text);
}

const refreshAll = () => {
  for (const refresh of [refreshState, refreshScenarios, refreshUpcoming, refreshRecordings, refreshDeadLetters]) refresh();
};

function subscribe() {
  const source = new EventSource("events");
  source.onopen = () => {
    setConnection("live", "live");
    refreshAll();
  };
  source.onmessage = ({ data }) => onPublished(JSON.parse(data));
  source.addEventListener("gap", refreshState);
  source.onerror = () => {
    setConnection("reconnecting", "reconnecting…");
    // EventSource reconnects by itself after a lost connection, but not after an answer such as a proxy's 503.
    if (source.readyState === EventSource.CLOSED) setTimeout(subscribe, 2_000);
  };
}

function render() {
  removeExpired();
  if (document.hidden) return;
  const present = [...customers.values()].filter(isPresent).length;
  setText($("count-customers"), present.toLocaleString("en"));
  setText($("count-scenarios"), scenarios.size.toLocaleString("en"));
  setText($("count-events"), publishedCount.toLocaleString("en"));
  $("floor-empty").hidden = customers.size > 0;
  $("floor").setAttribute("aria-label", `Shop floor: ${present ? plural(present, "customer") : "nobody is here"}`);
  if (lastPublished) {
    setText($("last"), `Last published: ${describe(lastPublished)}`);
  }
  showRows();
  showRecordings();
  showUpcoming();
  renewExample();
}

window.scenarioPlayer = {
  positions: () =>
    [...customers.values()]
      .filter(isPresent)
      .map(({ id, x, y, status, timestamp, screen }) => ({ customer_id: id, x, y, status, timestamp, screen })),
};

startDrawing(selectCustomer);
startScenarios();
startForm();
startDeadLetters();
$("fit").onclick = () => fitBounds([...floorState.plannedPath, ...upcomingLocations()]);
setInterval(render, 250);
setInterval(() => {
  setText($("count-rate"), (publishedCount - publishedCountBefore).toLocaleString("en"));
  publishedCountBefore = publishedCount;
}, 1_000);
document.addEventListener("visibilitychange", () => {
  if (!document.hidden) refreshAll();
});
refreshAll();
subscribe();
