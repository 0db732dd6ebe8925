// Which instances there are, and what each says of itself.

import { parseMetrics, samplesByTime } from "./metrics.js";

// Asks haproxy, to which `base` leads, for the instances of these services, and each instance for its state. The promise is
// rejected if haproxy does not answer.
export async function readInstances(services, base) {
  const rows = parseCsv(await fetchText(`${base}haproxy;csv`));
  const isInstance = (row) =>
    services.some(({ name }) => name === row.pxname) &&
    !["FRONTEND", "BACKEND"].includes(row.svname) &&
    !row.status.startsWith("MAINT"); // a place for an instance that is not there
  return Promise.all(rows.filter(isInstance).map((row) => readInstance(`${base}instances/${row.pxname}/${row.svname}/`, row)));
}

// The metrics of the last hour of which an instance remembers some: by the time in ms those with these names.
export async function readPast({ address }, names) {
  try {
    return samplesByTime(JSON.parse(await fetchText(`${address}metrics/history?names=${names.join()}`)));
  } catch {
    return new Map();
  }
}

// The instance that has served the page.
export const readOwnInstance = (service) => readInstance("", { pxname: service, svname: service, status: "no check" });

async function readInstance(address, row) {
  const instance = { service: row.pxname, name: row.svname, address, metrics: null, ...judge(row.status) };
  try {
    const [metrics, ready] = await Promise.all([fetchText(`${address}metrics`), fetch(`${address}ready`, deadline())]);
    instance.metrics = parseMetrics(metrics);
    if (ready.status === 404) return { ...instance, level: "warning", state: "draining", reason: "it takes no new clients" };
    const { reasons = [], notes = [] } = await ready.json();
    if (reasons.length > 0) return { ...instance, level: "critical", state: "not ready", reason: reasons.join("; ") };
    if (notes.length > 0) return { ...instance, level: "warning", state: "ready, with a note", reason: notes.join("; ") };
    return instance;
  } catch {
    return { ...instance, level: "critical", state: "gone", reason: "it does not answer" };
  }
}

// haproxy's own view, from its checks of /ready.
function judge(status) {
  if (status.startsWith("UP") || status === "no check") return { level: "good", state: "ready", reason: "" };
  return { level: "warning", state: "coming or going", reason: `haproxy says ${status}` };
}

function parseCsv(text) {
  const [head, ...lines] = text.replace(/^# /, "").trim().split("\n");
  const names = head.split(",");
  // No text before the columns that are read here has a comma in it.
  return lines.map((line) => Object.fromEntries(line.split(",").map((value, index) => [names[index], value])));
}

async function fetchText(address) {
  const response = await fetch(address, deadline());
  if (!response.ok) throw new Error(`${address}: ${response.status}`);
  return response.text();
}

const deadline = () => ({ signal: AbortSignal.timeout(TIMEOUT_MS), cache: "no-store" });
const TIMEOUT_MS = 3000;
