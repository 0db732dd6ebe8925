import { spawn } from "node:child_process";
import { createRequire } from "node:module";
import { createInterface } from "node:readline";

const modules = process.env.BACKPLANE_NODE_MODULES;
/** The global one, or that of the package `ws` in node before 22. */
export const WebSocket = globalThis.WebSocket ?? createRequire(`${modules}/`)("ws");
export const FULL = process.env.CLIENTS_TEST_FULL === "1";

/** Real instances, see clients/world.py. */
export class World {
  static async start(variables = {}) {
    const world = new World();
    const script = new URL("../../world.py", import.meta.url).pathname;
    world.process = spawn("python3", [script, JSON.stringify(variables)], { stdio: ["pipe", "pipe", "inherit"] });
    world.lines = createInterface({ input: world.process.stdout })[Symbol.asyncIterator]();
    Object.assign(world, await world.answer());
    return world;
  }

  async answer() {
    const { done, value } = await this.lines.next();
    if (done) throw new Error("world.py ended");
    return JSON.parse(value);
  }

  do(...words) {
    this.process.stdin.write(`${words.join(" ")}\n`);
    return this.answer();
  }

  async stop() {
    this.process.stdin.end();
    await new Promise((done) => this.process.on("exit", done));
  }
}

export async function eventually(what, condition, seconds = 30) {
  const deadline = Date.now() + seconds * 1000;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(`not within ${seconds} s: ${what}`);
    await new Promise((done) => setTimeout(done, 20));
  }
}

/** What a subscriber got of each channel: numbers, and "gap". */
export class Record {
  events = {};
  states = [];
  of = (channel) => (this.events[channel] ??= []);
  options = {
    onLine: (text, { channel }) => this.of(channel).push(text),
    onGap: ({ channel }) => this.of(channel).push("gap"),
    onState: (state, details) => this.states.push({ state, ...details }),
  };

  /** Problems: a line twice, in the wrong order, or missing without a gap. */
  problems(channel, first, last) {
    const found = [];
    let previous = first - 1, gap = false;
    for (const event of this.of(channel)) {
      if (event === "gap") { gap = true; continue; }
      const number = Number(event);
      if (number <= previous) found.push(`${number} after ${previous}`);
      else if (number > previous + 1 && !gap) found.push(`${number} after ${previous} without a gap`);
      [previous, gap] = [number, false];
    }
    if (previous !== last) found.push(`the last is ${previous}, not ${last}`);
    return found;
  }

  gaps = (channel) => this.of(channel).filter((event) => event === "gap").length;
}

/** A token as status-proxy takes it, for the secret. */
export async function signToken(secret, claims) {
  const { createHmac } = await import("node:crypto");
  const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const text = `${part({ alg: "HS256", typ: "JWT" })}.${part(claims)}`;
  return `${text}.${createHmac("sha256", secret).update(text).digest("base64url")}`;
}
