import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { subscribe, watchChecklist } from "../backplane.js";
import { FULL, Record, World, WebSocket, eventually } from "./support.mjs";

let world;
before(async () => { world = await World.start(); });
after(() => world.stop());

function watch(options = {}) {
  const record = new Record();
  const connection = subscribe(world.status, { run: world.run, channels: "a", WebSocket, ...record.options, ...options });
  return { record, connection };
}
const isOpen = ({ connection }) => eventually("open", () => connection.state === "open");

test("lines arrive as they were published, and history comes first", async () => {
  const early = watch({ channels: "h" });
  await isOpen(early);
  for (const text of ["one", "<b>two</b> \"ü\""]) await world.do("publish", "h", text);
  await eventually("both lines", () => early.record.of("h").length === 2);
  const late = watch({ channels: ["h", "i"], history: 1 });
  await eventually("the last line", () => late.record.of("h").length === 1);
  assert.deepEqual(late.record.of("h"), ["<b>two</b> \"ü\""]);
  for (const { connection } of [early, late]) connection.close();
  assert.equal(early.connection.state, "closed");
});

test("a lost connection without a line to resume from is a gap", async () => {
  const viewer = watch({ channels: "quiet" });
  await isOpen(viewer);
  await world.do("cut");
  await eventually("a gap", () => viewer.record.gaps("quiet") === 1);
  viewer.connection.close();
});

test("what is published while no connection stands is there afterwards, once", async () => {
  for (const options of [{}, { WebSocket: null }]) {
    const channel = options.WebSocket === null ? "sse" : "ws";
    const viewer = watch({ channels: channel, ...options });
    await isOpen(viewer);
    await world.do("publish", channel, "1");
    await eventually("the first", () => viewer.record.of(channel).length === 1);
    await world.do("cut");
    for (const number of [2, 3, 4]) await world.do("publish", channel, `${number}`);
    await eventually("the others", () => viewer.record.of(channel).length >= 4);
    assert.deepEqual(viewer.record.of(channel), ["1", "2", "3", "4"]);
    viewer.connection.close();
  }
});

test("a connection that stands but says nothing is left", async () => {
  const viewer = watch({ channels: "silent", silence: 1500 });
  await isOpen(viewer);
  await world.do("publish", "silent", "1");
  await eventually("the first", () => viewer.record.of("silent").length === 1);
  await world.do("stall");
  await world.do("publish", "silent", "2");
  await eventually("the second", () => viewer.record.of("silent").length === 2);
  assert.ok(viewer.record.states.some(({ reason }) => reason === "silent"));
  viewer.connection.close();
});

test("where no WebSocket can be opened, an event stream carries the lines", async () => {
  class Refused {
    constructor() { setTimeout(() => this.onclose({ code: 1006, reason: "" })); }
    close() {}
  }
  // fetch may take a connection that it has kept since before the stall.
  const viewer = watch({ channels: "blocked", WebSocket: Refused, silence: 1500 });
  await isOpen(viewer);
  assert.deepEqual(viewer.record.states.filter(({ state }) => state === "open").map(({ transport }) => transport), ["sse"]);
  await world.do("publish", "blocked", "1");
  await eventually("the line", () => viewer.record.of("blocked").length === 1);
  viewer.connection.close();
});

test("a name that can never be watched ends the attempts, with the reason", async () => {
  const viewer = watch({ channels: "a b" });
  await eventually("closed", () => viewer.connection.state === "closed");
  const { code, reason } = viewer.record.states.at(-1);
  assert.equal(code, 4400);
  assert.match(reason, /channel/);
});

test("checklists of several runs come on one socket, and again after a cut", async () => {
  const got = {};
  const connection = watchChecklist(world.preflight, {
    runs: [world.run, "other"], WebSocket, onChecklist: (checklist, { run }) => { got[run] = checklist.checklist; },
  });
  await eventually("both", () => got[world.run] && got.other);
  assert.equal(got[world.run].channels, false);
  await world.do("hset", "timestamps:build_channels", "1");
  await eventually("the change", () => got[world.run].channels);
  for (const run in got) delete got[run];
  await world.do("cut");
  await eventually("both again", () => got[world.run]?.channels && got.other);
  connection.close();
});

test("under killed, drained, cut and silent instances every line comes once, or a gap is told", async (t) => {
  const options = { silence: 3000, channels: ["a", "b"] };
  const viewers = [watch(options), watch(options), watch({ ...options, WebSocket: null })];
  await Promise.all(viewers.map(isOpen));
  const { published, faults } = await world.do("chaos", FULL ? 600 : 12);
  for (const { record, connection } of viewers) {
    for (const channel of options.channels) {
      await eventually("the last line", () => record.of(channel).at(-1) === String(published));
      assert.deepEqual(record.problems(channel, 1, published), []);
    }
    connection.close();
    const lines = record.of("a").filter((event) => event !== "gap").length;
    const reconnects = record.states.filter(({ state }) => state === "open").length - 1;
    assert.ok(reconnects > faults / 4, `${reconnects} reconnects in ${faults} faults`);
    t.diagnostic(`${faults} faults, ${reconnects} reconnects: ${lines} of ${published} lines of a channel, ${record.gaps("a")} gaps`);
  }
});
