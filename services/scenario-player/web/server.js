// Requests to the server, once or repeatedly. Every URL is relative, so the page works under any path prefix.
import { $, setText } from "./dom.js";

const MAX_PAUSE_MS = 30_000;

let clockOffset = 0; // ms by which the server's clock is ahead of ours
export const serverNow = () => Date.now() + clockOffset;

export function scenarioPath(id, rest = "") {
  // A URL cannot have these as a part of its path, however they are encoded: they name another folder.
  if (id === "." || id === "..") throw new Error(`the id ${id} has no URL`);
  return `scenarios/${encodeURIComponent(id)}${rest}`;
}

export async function request(method, path, body) {
  const headers = body === undefined ? {} : { "content-type": "application/json" };
  let response;
  try {
    response = await fetch(path, { method, headers, body, cache: "no-store" });
  } catch {
    throw Object.assign(new Error("the server does not answer"), { isUnreachable: true });
  }
  const date = Date.parse(response.headers.get("date"));
  // The header has whole seconds only. If the difference is smaller than that, our own clock is more precise.
  if (date) clockOffset = Math.abs(date - Date.now()) > 2_000 ? date - Date.now() : 0;
  const text = await response.text();
  const isJson = response.headers.get("content-type")?.includes("json");
  const value = isJson && text ? JSON.parse(text) : text;
  if (response.ok) return value;
  const detail = value?.detail ?? (isJson ? text : "");
  throw new Error(detail ? `${detail}` : `${method} ${path} was answered ${response.status} ${response.statusText}`);
}

// The current problems, by their source: "action" for what the user did, or the name of a poll.
const problems = new Map();

export function reportProblem(source, error) {
  // That the server does not answer is shown by #connection. Here it is shown only after an action of the user.
  if (error && (source === "action" || !error.isUnreachable)) problems.set(source, error.message);
  else problems.delete(source);
  const text = [...new Set(problems.values())].join(" · ");
  setText($("problem"), text);
  $("problem").hidden = !text;
}

// Does what the user asked for. A failure is shown, and returns nothing.
export async function runAction(action) {
  try {
    const answer = await action();
    reportProblem("action");
    return answer;
  } catch (error) {
    reportProblem("action", error);
  }
}

// Starts to call `load` every `periodMs`, and less often if an answer takes long. Returns a function that calls it at once.
export function poll(source, periodMs, load) {
  let timer, isLoading = false, loadAgain = false, pauseMs = 0;
  return async function refresh() {
    clearTimeout(timer);
    if (isLoading) return void (loadAgain = true);
    isLoading = true;
    loadAgain = false;
    const startedAt = performance.now();
    try {
      if (!document.hidden) await load();
      reportProblem(source);
      pauseMs = Math.min(10 * (performance.now() - startedAt), MAX_PAUSE_MS);
    } catch (error) {
      reportProblem(source, error);
      pauseMs = 2_000;
    }
    isLoading = false;
    timer = setTimeout(refresh, loadAgain ? 0 : Math.max(pauseMs, periodMs));
  };
}
