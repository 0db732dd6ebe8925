// Each dataset: its jobs, a count by day, its dead letters, and the last files of the instance that answers, with their rows.

import { byId, create } from "./console/dom.js";
import { format } from "./console/figures.js";

const REFRESH_MS = 3000;
const SVG = "http://www.w3.org/2000/svg";

export class Datasets {
  #timer;
  #shown = "";
  #last = new Map(); // dataset -> what was committed, and when that was read
  #open = new Map(); // dataset -> the file whose rows are shown

  async refresh() {
    clearTimeout(this.#timer);
    try {
      this.#show(await ask("status"));
      byId("problem").textContent = "";
    } catch (error) {
      byId("problem").textContent = `not up to date: ${error.message}`;
    }
    this.#timer = setTimeout(() => this.refresh(), REFRESH_MS);
  }

  // What has not changed stays as it is, so that nobody loses the button that they are about to press.
  #show(status) {
    const rates = status.datasets.map((dataset) => this.#rate(dataset));
    const state = JSON.stringify([status, rates, [...this.#open]]);
    if (state === this.#shown) return;
    this.#shown = state;
    const sections = status.datasets.map((dataset, index) => this.#section(dataset, rates[index], status.can_change));
    byId("datasets").replaceChildren(...sections);
  }

  #section(dataset, rate, canChange) {
    const { name, waiting, dead, days } = dataset;
    const figures = [
      ["jobs that wait", waiting],
      ["committed per second", rate],
      ["committed today (UTC)", days.at(-1).games],
      ["dead letters", dead],
    ].map(([label, value]) => create("div", {}, create("dt", {}, label), create("dd", {}, format(value))));
    return create(
      "section",
      { ariaLabel: name },
      create("h2", {}, name),
      create("dl", { className: "figures" }, ...figures),
      create("h3", {}, `Committed by day, the last ${days.length} days, by all workers`),
      plot(days),
      ...this.#letters(dataset, canChange),
      ...this.#files(dataset),
    );
  }

  // What all workers have committed since the last look, per second.
  #rate({ name, days }) {
    const now = { sum: days.reduce((sum, day) => sum + day.games, 0), time: performance.now() };
    const last = this.#last.get(name);
    this.#last.set(name, now);
    return last === undefined ? null : Math.max(0, (1000 * (now.sum - last.sum)) / (now.time - last.time));
  }

  #letters({ name, dead, letters }, canChange) {
    if (letters.length === 0) return [];
    const act = (what, game) => {
      const onclick = () => {
        if (what === "retry" || confirm(`Drop ${game}? It is not written then.`)) this.#change(what, name, game);
      };
      return create("button", { type: "button", ariaLabel: `${what} ${game}`, onclick }, what === "retry" ? "Retry" : "Drop");
    };
    const rows = letters.map(({ game, reason, when, tries }) => [game, text(reason), toTime(when), number(tries), ...(canChange ? [create("span", {}, act("retry", game), " ", act("drop", game))] : [])]);
    const title = dead > letters.length ? `Dead letters, the oldest ${letters.length} of ${dead}` : "Dead letters";
    const note = canChange ? [] : [create("p", {}, "They can be retried and dropped where OPERATOR_TOKEN is set.")];
    return [create("h3", {}, title), ...note, table(`${name}: dead letters`, ["session", "reason", "when (UTC)", "tries", ...(canChange ? ["what to do"] : [])], rows)];
  }

  #files({ name, files }) {
    if (files.length === 0) return [];
    const open = this.#open.get(name);
    const rows = files.flatMap(({ games, when, places }) =>
      places.flatMap(({ table, path, rows }) => {
        const row = [this.#opener(name, table, path), number(games), number(rows), toTime(when)];
        return open?.file === `${table}/${path}` ? [row, [details(open)]] : [row];
      }),
    );
    return [create("h3", {}, "Last files of the instance that has answered"), table(`${name}: last files`, ["file", "sessions", "rows", "when (UTC)"], rows)];
  }

  #opener(dataset, table, path) {
    const file = `${table}/${path}`;
    return create("button", { type: "button", className: "file", ariaLabel: `Rows of ${file}`, onclick: () => this.#openFile(dataset, table, path) }, file);
  }

  // Opens a file, or closes it if it is open.
  async #openFile(dataset, table, path) {
    const file = `${table}/${path}`;
    if (this.#open.get(dataset)?.file === file) {
      this.#open.delete(dataset);
    } else {
      try {
        const { columns, rows, count } = await ask(`rows?${new URLSearchParams({ dataset, table, path })}`);
        const title = count > rows.length ? `the first ${rows.length} of ${count} rows` : `${count} rows`;
        this.#open.set(dataset, { file, title, columns, rows: rows.map((row) => row.map((value) => value ?? "–")) });
      } catch (error) {
        this.#open.set(dataset, { file, title: error.message, columns: [], rows: [] });
      }
    }
    await this.refresh();
  }

  async #change(what, dataset, game) {
    try {
      await ask(`dead/${what}`, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ dataset, game }) });
      await this.refresh();
    } catch (error) {
      byId("problem").textContent = error.message;
    }
  }
}

// The rows of a file, below its line.
function details({ file, title, columns, rows }) {
  return create("td", { colSpan: 4 }, create("p", {}, title), ...(rows.length === 0 ? [] : [table(`rows of ${file}`, columns, rows)]));
}

function plot(days) {
  const most = Math.max(1, ...days.map(({ games }) => games));
  const svg = draw("svg", { class: "days", viewBox: `0 0 ${days.length * 20} 100`, preserveAspectRatio: "none", role: "img", "aria-label": `committed by day, at most ${most}` });
  for (const [index, { day, games }] of days.entries()) {
    const height = (98 * games) / most;
    const bar = draw("rect", { x: index * 20 + 2, y: 100 - height, width: 16, height });
    bar.append(draw("title"));
    bar.firstChild.textContent = `${day}: ${games}`;
    svg.append(bar);
  }
  const peak = days.find(({ games }) => games === most);
  const caption = `${days[0].day} to ${days.at(-1).day}${peak === undefined ? "" : `; the most, ${most}, on ${peak.day}`}`;
  return create("figure", {}, svg, create("figcaption", {}, caption));
}

function draw(name, attributes = {}) {
  const element = document.createElementNS(SVG, name);
  for (const [attribute, value] of Object.entries(attributes)) element.setAttribute(attribute, value);
  return element;
}

function table(label, heads, rows) {
  const isNumber = (cell) => cell?.className === "number";
  const head = heads.map((text, place) => create("th", { scope: "col", className: rows.some((row) => isNumber(row[place])) ? "number" : "" }, text));
  const cells = (row) => row.map((cell) => (cell?.tagName === "TD" ? cell : create("td", {}, cell)));
  const body = rows.map((row) => create("tr", {}, ...cells(row)));
  return create("div", { className: "scroll", tabIndex: 0, role: "region", ariaLabel: label }, create("table", {}, create("thead", {}, create("tr", {}, ...head)), create("tbody", {}, ...body)));
}

const number = (value) => create("td", { className: "number" }, value.toLocaleString("en"));
const text = (value) => create("td", { className: "text" }, value);
const toTime = (when) => when.replace("T", " ").replace(/(\.\d+)?Z$/, "");

async function ask(path, options = {}) {
  const response = await fetch(path, { cache: "no-store", ...options });
  if (!response.ok) throw new Error((await response.text()).trim());
  return response.status === 204 ? null : response.json();
}
