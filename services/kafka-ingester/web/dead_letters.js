// Messages that could not be applied: why, what they hold, and what is done with them.

import { byId, create } from "./console/dom.js";

const REFRESH_MS = 10_000;

export class DeadLetters {
  #after = null;
  #timer;
  #listing = null;
  // What a person has opened stays open.
  #open = new Map();

  constructor() {
    byId("hex").onchange = () => this.#show();
    byId("first").onclick = () => this.#goTo(null);
    byId("next").onclick = () => this.#goTo(this.#listing.next);
    byId("replay-all").onclick = () => this.#changeAll("POST", "dead-letters/replay", ({ applied, left }) => `${applied} applied, ${left} left`);
    byId("drop-all").onclick = () => {
      if (confirm(`Drop all ${this.#listing.count} dead letters? Their messages are never applied then.`)) {
        this.#changeAll("DELETE", "dead-letters", ({ dropped }) => `${dropped} dropped`);
      }
    };
  }

  async refresh() {
    clearTimeout(this.#timer);
    try {
      this.#listing = await ask("GET", `dead-letters${this.#after === null ? "" : `?after=${this.#after}`}`);
      this.#show();
    } catch (error) {
      byId("count").textContent = `cannot be listed: ${error.message}`;
    }
    this.#timer = setTimeout(() => this.refresh(), REFRESH_MS);
  }

  #goTo(after) {
    this.#after = after;
    this.refresh();
  }

  #show() {
    const { count, can_change, dead_letters, next } = this.#listing;
    byId("count").textContent = count === 0 ? "none" : `${count} in Redis, of all instances${can_change ? "" : "; they can be replayed and dropped where OPERATOR_TOKEN is set"}`;
    byId("first").hidden = this.#after === null;
    byId("next").hidden = next === null;
    byId("replay-all").hidden = byId("drop-all").hidden = !can_change || count === 0;
    byId("dead-letters").replaceChildren(...dead_letters.map((letter) => this.#row(letter, can_change)));
  }

  #row(letter, canChange) {
    const { id, topic, partition, offset, reason, value_size } = letter;
    const value = create("pre", { tabIndex: 0, ariaLabel: `value of ${id}`, role: "region" }, toText(this.#open.get(id) ?? letter, "value"));
    const isCut = value_size > 4096 && !this.#open.has(id);
    const whole = create("button", { type: "button", onclick: () => this.#openWhole(id) }, `Show all ${value_size.toLocaleString("en")} bytes`);
    const key = toText(letter, "key");
    const act = (name, method, path) => create("button", { type: "button", ariaLabel: `${name} ${id}`, onclick: () => this.#change(method, path) }, name);
    return create(
      "tr",
      {},
      create("th", { scope: "row" }, `${topic} / ${partition}`, create("br"), `offset ${offset}`),
      create("td", { className: "text" }, reason),
      create("td", { className: "text" }, key === "" ? "no key" : `key ${key}`, value, ...(isCut ? [whole] : [])),
      create("td", {}, ...(canChange ? [act("Replay", "POST", `dead-letters/${id}/replay`), " ", act("Drop", "DELETE", `dead-letters/${id}`)] : [])),
    );
  }

  async #openWhole(id) {
    await attempt(async () => {
      this.#open.set(id, await ask("GET", `dead-letters/${id}`));
      this.#show();
    });
  }

  async #change(method, path) {
    await attempt(() => ask(method, path));
    await this.refresh();
  }

  // Goes on until the end, and leaves alone what has come meanwhile.
  async #changeAll(method, path, describe) {
    await attempt(async () => {
      const sums = {};
      const through = this.#listing.last;
      let after = null;
      do {
        const answer = await ask(method, `${path}?through=${through}${after === null ? "" : `&after=${after}`}`);
        for (const [name, value] of Object.entries(answer)) if (name !== "next") sums[name] = (sums[name] ?? 0) + value;
        after = answer.next;
        byId("count").textContent = describe(sums);
      } while (after !== null);
    });
    this.#after = null;
    await this.refresh();
  }
}

async function attempt(act) {
  byId("problem").textContent = "";
  try {
    await act();
  } catch (error) {
    byId("problem").textContent = error.message;
  }
}

async function ask(method, path) {
  const response = await fetch(path, { method, cache: "no-store" });
  if (!response.ok) throw new Error((await response.text()).trim());
  return response.status === 204 ? null : response.json();
}

// The key or value as text, or in hex where it is none or that is wanted.
function toText(letter, name) {
  const base64 = letter[`${name}_base64`];
  if (base64 === undefined && !byId("hex").checked) return letter[name];
  const bytes = base64 === undefined ? new TextEncoder().encode(letter[name]) : Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join(" ");
}
