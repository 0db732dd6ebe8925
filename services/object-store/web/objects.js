// What is stored, a page at a time, and what requests wait for on the instance that answers.

import { age } from "./console/card.js";
import { byId, create } from "./console/dom.js";
import { format } from "./console/figures.js";

const REFRESH_MS = 10_000;
const TYPING_PAUSE_MS = 200;
const STORED_FIRST = "stored-";
const PAGE = 100;

export class Objects {
  #after = STORED_FIRST;
  #next = null;
  #timer;

  constructor() {
    byId("first").onclick = () => this.#goTo(STORED_FIRST);
    byId("next").onclick = () => this.#goTo(this.#next);
    byId("prefix").oninput = () => {
      this.#after = STORED_FIRST;
      this.#refreshIn(TYPING_PAUSE_MS);
    };
  }

  async refresh() {
    try {
      await Promise.all([this.#showWaiting(), this.#showStored()]);
    } catch (error) {
      byId("stored-count").textContent = `cannot be listed: ${error.message}`;
    }
    this.#refreshIn(REFRESH_MS);
  }

  #refreshIn(delay) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.refresh(), delay);
  }

  #goTo(after) {
    this.#after = after;
    this.#refreshIn(0);
  }

  async #showWaiting() {
    const { objects, next } = await ask({ waiting: true, limit: PAGE });
    byId("waiting-count").textContent = objects.length === 0 ? "none, on the instance that has answered" : `${objects.length}${next === null ? "" : " or more"}, on the instance that has answered`;
    byId("waiting").replaceChildren(...objects.map(({ id, waiting, age_seconds }) => row(id, format(waiting), age(age_seconds))));
  }

  async #showStored() {
    const [prefix, after] = [byId("prefix").value, this.#after];
    const [{ objects, next }, { object_count, unique_size_bytes }] = await Promise.all([ask({ prefix, after, limit: PAGE }), get("info")]);
    if (prefix !== byId("prefix").value || after !== this.#after) return;
    this.#next = next;
    byId("stored-count").textContent = `${object_count} in all, with ${format(unique_size_bytes, "bytes")} of contents; ${objects.length} are listed`;
    byId("first").hidden = after === STORED_FIRST;
    byId("next").hidden = next === null;
    byId("stored").replaceChildren(...objects.map(({ id, size, age_seconds }) => row(id, size === null ? "damaged" : format(size, "bytes"), age_seconds === null ? "unknown" : age(age_seconds))));
  }
}

function row(id, number, text) {
  return create("tr", {}, create("th", { scope: "row" }, id), create("td", { className: "number" }, number), create("td", {}, text));
}

const ask = (parameters) => get(`objects?${new URLSearchParams(parameters)}`);

async function get(path) {
  const response = await fetch(path, { cache: "no-store" });
  if (!response.ok) throw new Error((await response.text()).trim());
  return response.json();
}
