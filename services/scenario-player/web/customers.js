// Who is on the floor and where: from GET /state, and from each step as it is published.
import { call, poll } from "./server.js";

const MAX_CUSTOMERS = 10_000; // the one who came first makes room
const TRAIL_MS = 30_000;
const TRAIL_POINTS = 6_000; // of all customers together: more customers, shorter trails
const MAX_GLIDE_MS = 1_000;
const LEAVE_MS = 1_500; // how long who has left is seen to fade

// id -> {id, x, y, status, timestamp} as published last; where the marker glides from, and when; the trail as x, y,
// time, x, y, time…; leftAt, null while the customer is here.
export const customers = new Map();
export const isHere = ({ leftAt }) => leftAt === null;
export const COLOURS = 12;

// What the floor has to hold: {x0, y0, x1, y1}.
export let seen = null;

let changed = () => {};
export const onChange = (listener) => (changed = listener);

const stillness = matchMedia("(prefers-reduced-motion: reduce)");

export function colourOf(id) {
  let hash = 0;
  for (let i = 0; i < id.length; i++) hash = (hash * 31 + id.charCodeAt(i)) | 0;
  return (hash >>> 0) % COLOURS;
}

// What of an id is fit for a line of the canvas.
export function labelOf(id) {
  const visible = [...id.slice(0, 60).replace(/[\p{Cc}\p{Cf}]/gu, "\ufffd")];
  return visible.length > 22 ? visible.slice(0, 21).join("") + "…" : visible.join("");
}

export function place(id, location, status, timestamp) {
  const now = performance.now();
  const { x, y } = location;
  let customer = customers.get(id);
  if (!customer) {
    if (customers.size >= MAX_CUSTOMERS) customers.delete(customers.keys().next().value);
    customer = { id, colour: colourOf(id), label: labelOf(id), leftAt: now };
    customers.set(id, customer);
  }
  if (status === "ENTER" || customer.leftAt !== null) {
    Object.assign(customer, { x, y, fromX: x, fromY: y, from: now, until: now, trail: [] });
  } else if (x !== customer.x || y !== customer.y) {
    customer.trail.push(customer.x, customer.y, now);
    const [fromX, fromY] = glide(customer, now);
    // As long as the step before took, so that a walk looks like one.
    const glideMs = stillness.matches ? 0 : Math.min(now - customer.heard, MAX_GLIDE_MS);
    Object.assign(customer, { x, y, fromX, fromY, from: now, until: now + glideMs });
  }
  Object.assign(customer, { status, timestamp, heard: now, leftAt: status === "EXIT" ? now : null });
  see(x, y);
  changed();
}

// Where the marker is.
export function glide(customer, now) {
  const { x, y, fromX, fromY, from, until } = customer;
  if (now >= until) return [x, y];
  const part = (now - from) / (until - from);
  return [fromX + (x - fromX) * part, fromY + (y - fromY) * part];
}

// Without a trail from where the customer was before.
export function jump(id) {
  const customer = customers.get(id);
  if (customer) customer.trail = [];
}

// The state that was asked for at `asked`: what was published since then is newer.
function settle(states, asked) {
  const present = new Set();
  for (const { customer_description: { customer_id: id }, location, status, timestamp } of states) {
    present.add(id);
    if (!(customers.get(id)?.heard > asked)) place(id, location, status, timestamp);
  }
  const now = performance.now();
  for (const customer of customers.values()) {
    if (!present.has(customer.id) && customer.heard < asked) customer.leftAt ??= now;
  }
  changed();
}

// Between the steps it corrects what this page missed.
export const askState = poll("state", 5_000, async () => {
  const asked = performance.now();
  settle(await call("GET", "state"), asked);
});

// Forgets what has faded.
export function prune() {
  const now = performance.now();
  const points = Math.min(60, Math.max(3, Math.floor(TRAIL_POINTS / customers.size)));
  for (const customer of customers.values()) {
    const { trail } = customer;
    let old = Math.max(0, trail.length / 3 - points);
    while (old * 3 < trail.length && now - trail[old * 3 + 2] > TRAIL_MS) old++;
    if (old) trail.splice(0, old * 3);
    if (customer.leftAt !== null && now - customer.leftAt > LEAVE_MS) {
      customers.delete(customer.id);
      changed();
    }
  }
}

export function see(x, y) {
  if (seen && x >= seen.x0 && x <= seen.x1 && y >= seen.y0 && y <= seen.y1) return;
  const { x0, y0, x1, y1 } = seen ?? { x0: x, y0: y, x1: x, y1: y };
  seen = { x0: Math.min(x0, x), y0: Math.min(y0, y), x1: Math.max(x1, x), y1: Math.max(y1, y) };
  changed();
}

// Only what is here now, and these places.
export function refit(places) {
  seen = null;
  for (const { x, y } of [...customers.values(), ...places]) see(x, y);
  changed();
}

export const fadedAt = (time, now) => (now - time) / TRAIL_MS;
export const goneAt = ({ leftAt }, now) => (leftAt === null ? 0 : Math.min(1, (now - leftAt) / LEAVE_MS));
