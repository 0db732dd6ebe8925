// The page of scenario-player: joins what the other files do, and listens to what is published.
//
// For tests: scenarioPlayer.positions() is what the floor shows, [{customer_id, x, y, status, timestamp, screen}] with
// x, y as published last, and screen: {x, y} in CSS pixels of #floor, where the (gliding) marker was drawn last.
// #connection[data-state] is connecting, live or reconnecting; li.scenario[data-customer] is a customer's controls.
import { askTimeline, coming, showComing } from "./coming.js";
import { askState, customers, isHere, labelOf, place, prune, refit } from "./customers.js";
import { $, plural, setText } from "./dom.js";
import { look, startDrawing } from "./floor.js";
import { renewExample, startForm } from "./form.js";
import { askScenarios, heed, scenarios, select, showRows, startScenarios } from "./scenarios.js";

let events = 0, eventsBefore = 0;
let lastPublished = null;

function published(step) {
  events++;
  lastPublished = step;
  place(step.customer_id, step.location, step.type, step.timestamp);
  heed(step);
}

function setConnection(state, text) {
  $("connection").dataset.state = state;
  setText($("connection"), text);
}

const askAll = () => [askState, askScenarios, askTimeline].forEach((ask) => ask());

function listen() {
  const source = new EventSource("events");
  source.onopen = () => {
    setConnection("live", "live");
    askAll();
  };
  source.onmessage = ({ data }) => published(JSON.parse(data));
  source.addEventListener("gap", askState);
  source.onerror = () => {
    setConnection("reconnecting", "reconnecting…");
    // It tries again by itself when cut, but not after an answer such as a proxy's 503.
    if (source.readyState === EventSource.CLOSED) setTimeout(listen, 2_000);
  };
}

function show() {
  prune();
  if (document.hidden) return;
  const present = [...customers.values()].filter(isHere).length;
  setText($("count-customers"), present.toLocaleString("en"));
  setText($("count-scenarios"), scenarios.size.toLocaleString("en"));
  setText($("count-events"), events.toLocaleString("en"));
  $("floor-empty").hidden = customers.size > 0;
  $("floor").setAttribute("aria-label", `Shop floor: ${present ? plural(present, "customer") : "nobody is here"}`);
  if (lastPublished) {
    const { customer_id, type, location } = lastPublished;
    setText($("last"), `Last published: ${type} of ${labelOf(customer_id)} at ${location.x}, ${location.y}`);
  }
  showRows();
  showComing();
  renewExample();
}

window.scenarioPlayer = {
  positions: () =>
    [...customers.values()]
      .filter(isHere)
      .map(({ id, x, y, status, timestamp, screen }) => ({ customer_id: id, x, y, status, timestamp, screen })),
};

startDrawing(select);
startScenarios();
startForm();
$("fit").onclick = () => refit([...look.planned, ...coming.map(({ location }) => location)]);
setInterval(show, 250);
setInterval(() => {
  setText($("count-rate"), (events - eventsBefore).toLocaleString("en"));
  eventsBefore = events;
}, 1_000);
document.addEventListener("visibilitychange", () => {
  if (!document.hidden) askAll();
});
askAll();
listen();
