// Which customers are on the floor, and where: from GET /state, and from each step when it is published.
import { poll, request } from "./server.js";

const MAX_CUSTOMERS = 10_000; // above this, the customer that came first is removed
const TRAIL_MS = 30_000;
const TRAIL_POINTS = 6_000; // of all customers together: the more customers, the shorter the trails
const MAX_MOVE_MS = 1_000;
const FADE_OUT_MS = 1_500; // how long a customer who has left stays visible

// id -> a customer:
// - id, x, y, status, timestamp: as published last; updatedAt: when that was (performance.now())
// - fromX, fromY, moveStart, moveEnd: where the marker moves from, and when
// - trail: earlier positions, as [x, y, time, x, y, time, …]
// - leftAt: when the customer left, or null
export const customers = new Map();
export const isPresent = ({ leftAt }) => leftAt === null;
export const COLOURS = 12;

// The part of the floor that must be visible: {x0, y0, x1, y1}.
export let bounds = null;

let notifyChange = () => {};
export const onChange = (listener) => (notifyChange = listener);

const reducedMotion = matchMedia("(prefers-reduced-motion: reduce)");

export function colourOf(id) {
  let hash = 0;
  for (let i = 0; i < id.length; i++) hash = (hash * 31 + id.charCodeAt(i)) | 0;
  return (hash >>> 0) % COLOURS;
}

// The id, shortened and without control characters, for the canvas.
export function labelOf(id) {
  const visible = [...id.slice(0, 60).replace(/[\p{Cc}\p{Cf}]/gu, "\ufffd")];
  return visible.length > 22 ? visible.slice(0, 21).join("") + "…" : visible.join("");
}

export function updateCustomer(id, location, status, timestamp) {
  const now = performance.now();
  const { x, y } = location;
  let customer = customers.get(id);
  if (!customer) {
    if (customers.size >= MAX_CUSTOMERS) customers.delete(customers.keys().next().value);
    customer = { id, colour: colourOf(id), label: labelOf(id), leftAt: now };
    customers.set(id, customer);
  }
  if (status === "ENTER" || customer.leftAt !== null) {
    Object.assign(customer, { x, y, fromX: x, fromY: y, moveStart: now, moveEnd: now, trail: [] });
  } else if (x !== customer.x || y !== customer.y) {
    customer.trail.push(customer.x, customer.y, now);
    const [fromX, fromY] = markerPosition(customer, now);
    // The move takes as long as the step before it took, so that the marker moves without stops.
    const moveMs = reducedMotion.matches ? 0 : Math.min(now - customer.updatedAt, MAX_MOVE_MS);
    Object.assign(customer, { x, y, fromX, fromY, moveStart: now, moveEnd: now + moveMs });
  }
  Object.assign(customer, { status, timestamp, updatedAt: now, leftAt: status === "EXIT" ? now : null });
  extendBounds(x, y);
  notifyChange();
}

export function markerPosition(customer, now) {
  const { x, y, fromX, fromY, moveStart, moveEnd } = customer;
  if (now >= moveEnd) return [x, y];
  const part = (now - moveStart) / (moveEnd - moveStart);
  return [fromX + (x - fromX) * part, fromY + (y - fromY) * part];
}

// Before a seek or a replay: the trail must not lead from the old position to the new one.
export function clearTrail(id) {
  const customer = customers.get(id);
  if (customer) customer.trail = [];
}

// Applies a state that was requested at `requestedAt`. Steps that were published since then are newer, and stay.
function applyState(states, requestedAt) {
  const present = new Set();
  for (const { customer_description: { customer_id: id }, location, status, timestamp } of states) {
    present.add(id);
    if (!(customers.get(id)?.updatedAt > requestedAt)) updateCustomer(id, location, status, timestamp);
  }
  const now = performance.now();
  for (const customer of customers.values()) {
    if (!present.has(customer.id) && customer.updatedAt < requestedAt) customer.leftAt ??= now;
  }
  notifyChange();
}

// Corrects what the page missed of the published steps.
export const refreshState = poll("state", 5_000, async () => {
  const requestedAt = performance.now();
  applyState(await request("GET", "state"), requestedAt);
});

// Removes customers that have faded out, and old parts of the trails.
export function removeExpired() {
  const now = performance.now();
  const maxPoints = Math.min(60, Math.max(3, Math.floor(TRAIL_POINTS / customers.size)));
  for (const customer of customers.values()) {
    const { trail } = customer;
    let expired = Math.max(0, trail.length / 3 - maxPoints);
    while (expired * 3 < trail.length && now - trail[expired * 3 + 2] > TRAIL_MS) expired++;
    if (expired) trail.splice(0, expired * 3);
    if (customer.leftAt !== null && now - customer.leftAt > FADE_OUT_MS) {
      customers.delete(customer.id);
      notifyChange();
    }
  }
}

export function extendBounds(x, y) {
  if (bounds && x >= bounds.x0 && x <= bounds.x1 && y >= bounds.y0 && y <= bounds.y1) return;
  const { x0, y0, x1, y1 } = bounds ?? { x0: x, y0: y, x1: x, y1: y };
  bounds = { x0: Math.min(x0, x), y0: Math.min(y0, y), x1: Math.max(x1, x), y1: Math.max(y1, y) };
  notifyChange();
}

// Makes the bounds as small as the customers on the floor and these locations allow.
export function fitBounds(locations) {
  bounds = null;
  for (const { x, y } of [...customers.values(), ...locations]) extendBounds(x, y);
  notifyChange();
}

// How old a point of a trail is, and how far a customer has faded out: both from 0 to 1.
export const trailAge = (time, now) => (now - time) / TRAIL_MS;
export const fadeOut = ({ leftAt }, now) => (leftAt === null ? 0 : Math.min(1, (now - leftAt) / FADE_OUT_MS));
