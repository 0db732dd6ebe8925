import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { after, before, test } from "node:test";
import { World, eventually } from "./support.mjs";

const skip = spawnSync("chromedriver", ["--version"]).error ? "chromedriver is not installed" : false;
let world, pages, driver, session;

async function command(method, path, body) {
  const response = await fetch(`${session ?? driver.url}${path}`, { method, body: body && JSON.stringify(body) });
  const { value } = await response.json();
  if (value?.error) throw new Error(value.message);
  return value;
}
const run = (script) => command("POST", "/execute/sync", { script, args: [] });

before(async () => {
  if (skip) return;
  world = await World.start();
  pages = createServer(async (request, response) => {
    const isScript = request.url === "/backplane.js";
    response.setHeader("content-type", isScript ? "text/javascript" : "text/html");
    response.end(isScript ? await readFile(new URL("../backplane.js", import.meta.url)) : "<!doctype html><title>test</title>");
  });
  await new Promise((done) => pages.listen(0, "127.0.0.1", done));
  const child = spawn("chromedriver", ["--port=0"], { stdio: ["ignore", "pipe", "inherit"] });
  const port = await new Promise((done) => {
    let said = "";
    child.stdout.on("data", (data) => { const found = /successfully on port (\d+)/.exec(said += data); if (found) done(found[1]); });
  });
  driver = { child, url: `http://127.0.0.1:${port}` };
  const chrome = { args: ["--headless=new", "--no-sandbox", "--disable-dev-shm-usage"] };
  const { sessionId } = await command("POST", "/session", { capabilities: { alwaysMatch: { "goog:chromeOptions": chrome } } });
  session = `${driver.url}/session/${sessionId}`;
  await command("POST", "/url", { url: `http://127.0.0.1:${pages.address().port}/` });
  await run(`
    window.lines = []; window.states = [];
    return import("/backplane.js").then((module) => {
      window.start = (url, options) => { window.connection = module.subscribe(url, { ...options,
        onLine: (text) => lines.push(text), onGap: () => lines.push("gap"), onState: (state) => states.push(state) }); };
    });`);
});

after(async () => {
  if (skip) return;
  await command("DELETE", "");
  driver.child.kill();
  pages.close();
  await world.stop();
});

const start = (options) => run(`lines.length = states.length = 0; window.connection?.close();
  start(${JSON.stringify(world.status)}, ${JSON.stringify({ run: world.run, ...options })})`);
const lines = () => run("return lines");
const isOpen = () => eventually("open", async () => (await run("return window.connection.state")) === "open");

test("in Chromium lines come once, through cut and killed instances", { skip }, async () => {
  await start({ channels: "browser" });
  await isOpen();
  const wanted = [];
  for (const fault of ["cut", "kill", "drain", "cut"]) {
    for (let each = 0; each < 2; each += 1) {
      wanted.push(String(wanted.length));
      await world.do("publish", "browser", wanted.at(-1));
    }
    await eventually("the lines", async () => (await lines()).length >= wanted.length);
    await world.do(fault);
  }
  wanted.push("last");
  await world.do("publish", "browser", "last");
  await eventually("the last line", async () => (await lines()).at(-1) === "last");
  assert.deepEqual(await lines(), wanted);
});

test("in Chromium a page that becomes visible connects at once", { skip }, async () => {
  await start({ channels: "visible" });
  await isOpen();
  await world.do("down");
  // By now the next attempt is some seconds away.
  await eventually("four attempts", async () => (await run("return states.filter((s) => s === 'connecting').length")) >= 5);
  await world.do("up");
  await run(`if (window.connection.state === "waiting") document.dispatchEvent(new Event("visibilitychange")); window.shown = states.length`);
  await isOpen();
});

test("in Chromium a bearer token from another origin reaches the event stream too", { skip }, async () => {
  await start({ channels: "cors", token: "any" });
  await isOpen();
  await run("window.sockets = WebSocket; window.WebSocket = undefined");
  await start({ channels: "cors", token: "any" });
  await isOpen();
  await run("window.WebSocket = sockets");
  await world.do("publish", "cors", "1");
  await eventually("the line", async () => (await lines()).length === 1);
});
