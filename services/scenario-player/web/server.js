// Asking the server: once, or again and again. Every URL is relative, so the page works under any path prefix.
import { $, setText } from "./dom.js";

const MAX_PAUSE_MS = 30_000;

let clockAhead = 0; // ms that the server's clock is ahead of ours
export const serverNow = () => Date.now() + clockAhead;

export function pathOf(id, rest = "") {
  // As a part of a path these two mean another place, however they are encoded.
  if (id === "." || id === "..") throw new Error(`the id ${id} has no URL`);
  return `scenarios/${encodeURIComponent(id)}${rest}`;
}

export async function call(method, path, body) {
  const headers = body === undefined ? {} : { "content-type": "application/json" };
  let response;
  try {
    response = await fetch(path, { method, headers, body, cache: "no-store" });
  } catch {
    throw Object.assign(new Error("the server does not answer"), { unreachable: true });
  }
  const date = Date.parse(response.headers.get("date"));
  // The header has whole seconds: below that, our own clock is the better one.
  if (date) clockAhead = Math.abs(date - Date.now()) > 2_000 ? date - Date.now() : 0;
  const text = await response.text();
  const isJson = response.headers.get("content-type")?.includes("json");
  const value = isJson && text ? JSON.parse(text) : text;
  if (response.ok) return value;
  const detail = value?.detail ?? (isJson ? text : "");
  throw new Error(detail ? `${detail}` : `${method} ${path} was answered ${response.status} ${response.statusText}`);
}

// What is wrong now, by where it shows: an action, or one of the questions that are asked again and again.
const problems = new Map();

export function report(source, error) {
  // Of a silent server #connection tells, except when somebody has just asked for something.
  if (error && (source === "action" || !error.unreachable)) problems.set(source, error.message);
  else problems.delete(source);
  const text = [...new Set(problems.values())].join(" · ");
  setText($("problem"), text);
  $("problem").hidden = !text;
}

// Asks again and again, and more seldom where an answer is work; the function it gives asks at once.
export function poll(source, periodMs, ask) {
  let timer, asking = false, askAgain = false, pauseMs = 0;
  return async function now() {
    clearTimeout(timer);
    if (asking) return void (askAgain = true);
    asking = true;
    askAgain = false;
    const started = performance.now();
    try {
      if (!document.hidden) await ask();
      report(source);
      pauseMs = Math.min(10 * (performance.now() - started), MAX_PAUSE_MS);
    } catch (error) {
      report(source, error);
      pauseMs = 2_000;
    }
    asking = false;
    timer = setTimeout(now, askAgain ? 0 : Math.max(pauseMs, periodMs));
  };
}
