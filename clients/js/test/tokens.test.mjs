import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { subscribe } from "../backplane.js";
import { Record, World, WebSocket, eventually, signToken } from "./support.mjs";

const SECRET = "a secret of the tests, long enough";
let world;
before(async () => { world = await World.start({ STATUS_TOKEN_KEY: `secret:${SECRET}`, STATUS_TOKEN_LEEWAY: "0s" }); });
after(() => world.stop());

function watch(options) {
  const record = new Record();
  return { record, connection: subscribe(world.status, { run: world.run, channels: "a", WebSocket, ...record.options, ...options }) };
}
const tokenFor = (seconds, runs = "r*") => signToken(SECRET, { runs, exp: Date.now() / 1000 + seconds });

test("a token is renewed before its end, and the socket stays", async () => {
  let asked = 0;
  const { record, connection } = watch({ token: () => { asked += 1; return tokenFor(3); } });
  await eventually("three renewals", () => asked >= 4);
  assert.deepEqual(record.states.map(({ state }) => state), ["connecting", "open"]);
  connection.close();
});

test("an event stream comes back with a new token, and misses nothing", async () => {
  const { record, connection } = watch({ token: () => tokenFor(2), WebSocket: null, channels: "s" });
  await eventually("open", () => connection.state === "open");
  for (let number = 1; number <= 2 || record.states.filter(({ state }) => state === "open").length < 2; number += 1) {
    await world.do("publish", "s", number);
    await eventually(`line ${number}`, () => record.of("s").at(-1) === String(number));
  }
  assert.deepEqual(record.problems("s", 1, Number(record.of("s").at(-1))), []);
  assert.equal(record.gaps("s"), 0);
  connection.close();
});

test("a wrong token, and one for other runs, end the attempts with 4401 and 4403", async () => {
  for (const [token, code] of [["wrong", 4401], [() => tokenFor(60, "other"), 4403]]) {
    for (const options of [{}, { WebSocket: null }]) {
      const { record, connection } = watch({ token, ...options });
      await eventually("closed", () => connection.state === "closed");
      assert.equal(record.states.at(-1).code, code);
    }
  }
});
