// The shop floor on its canvas. It is drawn once per frame, and only while something changes.
import { bounds, COLOURS, customers, fadeOut, isPresent, markerPosition, onChange, trailAge } from "./customers.js";
import { $ } from "./dom.js";

const AGES = 4; // levels of brightness of a trail
const MAX_LABELS = 300;

// What the floor shows of the scenarios: the selected customer, the path of its scenario, and which customers are paused.
export const floorState = { selected: null, plannedPath: [], isPaused: () => false };
export let palette = {}; // the colours, from the style sheet

const canvas = $("floor");
const context = canvas.getContext("2d", { alpha: false });
const FONT = "12px system-ui, sans-serif";
const reducedMotion = matchMedia("(prefers-reduced-motion: reduce)");
const darkMode = matchMedia("(prefers-color-scheme: dark)");
let viewport = null; // the part of the floor that is drawn; it moves towards the bounds
let hovered = null;
let frame = 0, delayedFrame = 0;

function readPalette() {
  const style = getComputedStyle(document.documentElement);
  const colour = (name) => style.getPropertyValue(name).trim();
  const tone = darkMode.matches ? "0.74 0.14" : "0.55 0.16";
  const colours = Array.from({ length: COLOURS }, (_, i) => `oklch(${tone} ${(i * 360) / COLOURS + 20})`);
  const [floor, grid, quiet, ink] = ["--floor", "--grid", "--quiet", "--ink"].map(colour);
  palette = { floor, grid, quiet, ink, customers: colours };
  sprites.clear();
  requestDraw();
}

export const requestDraw = () => {
  frame ||= requestAnimationFrame(draw);
};

function resize() {
  const scale = devicePixelRatio || 1;
  canvas.width = Math.round(canvas.clientWidth * scale);
  canvas.height = Math.round(canvas.clientHeight * scale);
  sprites.clear();
  if (frame) cancelAnimationFrame(frame);
  draw(performance.now()); // at once, because a new size clears the canvas
}

// Moves the viewport towards the bounds. Returns whether it has still to move.
function moveViewport() {
  if (!bounds) return false;
  const margin = 0.06 * Math.max(bounds.x1 - bounds.x0, bounds.y1 - bounds.y0, 100);
  const target = { x0: bounds.x0 - margin, y0: bounds.y0 - margin, x1: bounds.x1 + margin, y1: bounds.y1 + margin };
  const tolerance = 0.002 * (target.x1 - target.x0 + target.y1 - target.y0);
  const isNear = (edge) => Math.abs(target[edge] - viewport[edge]) < tolerance;
  if (!viewport || reducedMotion.matches || Object.keys(target).every(isNear)) {
    viewport = target;
    return false;
  }
  for (const edge in target) viewport[edge] += (target[edge] - viewport[edge]) * 0.15;
  return true;
}

function draw(now) {
  frame = 0;
  const width = canvas.clientWidth, height = canvas.clientHeight;
  let busy = moveViewport();
  context.setTransform(canvas.width / width, 0, 0, canvas.height / height, 0, 0);
  context.fillStyle = palette.floor;
  context.fillRect(0, 0, width, height);
  if (!viewport) return;
  const scale = Math.min(width / (viewport.x1 - viewport.x0), height / (viewport.y1 - viewport.y0));
  const left = (width - scale * (viewport.x0 + viewport.x1)) / 2;
  const top = (height - scale * (viewport.y0 + viewport.y1)) / 2;
  const toX = (x) => left + x * scale, toY = (y) => top + y * scale;
  drawGrid(width, height, scale, left, top);
  for (const customer of customers.values()) {
    const [x, y] = markerPosition(customer, now);
    customer.screen = { x: toX(x), y: toY(y) };
    busy ||= now < customer.moveEnd || !isPresent(customer);
  }
  const fading = drawTrails(now, toX, toY);
  drawPlannedPath(toX, toY);
  drawMarkers(now);
  drawLabels(width, height);
  if (busy) requestDraw();
  else if (fading && !delayedFrame) {
    delayedFrame = setTimeout(() => {
      delayedFrame = 0;
      requestDraw();
    }, 250);
  }
}

function drawGrid(width, height, scale, left, top) {
  const rough = 70 / scale;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 5, 10].find((times) => times * power >= rough);
  context.strokeStyle = palette.grid;
  context.fillStyle = palette.quiet;
  context.font = "10px system-ui, sans-serif";
  context.textAlign = "left";
  context.textBaseline = "top";
  context.lineWidth = 1;
  context.beginPath();
  for (let i = Math.ceil(-left / scale / step); left + i * step * scale < width; i++) {
    const x = Math.round(left + i * step * scale) + 0.5;
    context.moveTo(x, 0);
    context.lineTo(x, height);
    if (x > 30) context.fillText(`${i * step}`, x + 3, 3);
  }
  for (let i = Math.ceil(-top / scale / step); top + i * step * scale < height; i++) {
    const y = Math.round(top + i * step * scale) + 0.5;
    context.moveTo(0, y);
    context.lineTo(width, y);
    if (y > 16) context.fillText(`${i * step}`, 3, y + 3);
  }
  context.stroke();
}

// One path per colour and age, so that the number of strokes does not grow with the customers.
function drawTrails(now, toX, toY) {
  const paths = new Map();
  const many = customers.size > 200;
  for (const customer of customers.values()) {
    const { trail, screen, colour } = customer;
    for (let i = 0; i < trail.length; i += 3) {
      const age = Math.floor(trailAge(trail[i + 2], now) * AGES);
      if (age >= AGES) continue;
      const key = colour * AGES + age;
      let path = paths.get(key);
      if (!path) paths.set(key, (path = new Path2D()));
      const last = i + 3 >= trail.length;
      path.moveTo(toX(trail[i]), toY(trail[i + 1]));
      path.lineTo(last ? screen.x : toX(trail[i + 3]), last ? screen.y : toY(trail[i + 4]));
    }
  }
  context.lineWidth = many ? 1 : 2;
  context.lineCap = "round";
  for (const [key, path] of paths) {
    context.strokeStyle = palette.customers[Math.floor(key / AGES)];
    context.globalAlpha = (many ? 0.4 : 0.6) * (1 - (key % AGES) / AGES) ** 1.5;
    context.stroke(path);
  }
  context.globalAlpha = 1;
  return paths.size > 0;
}

function drawPlannedPath(toX, toY) {
  if (floorState.plannedPath.length < 2) return;
  context.strokeStyle = palette.quiet;
  context.lineWidth = 1;
  context.setLineDash([3, 4]);
  context.beginPath();
  for (const { x, y } of floorState.plannedPath) context.lineTo(toX(x), toY(y));
  context.stroke();
  context.setLineDash([]);
}

// Each kind of marker is drawn once and then copied. Drawing a thousand circles per frame is too slow without a GPU.
const sprites = new Map();

function spriteOf(colour, hollow, radius) {
  const key = `${colour} ${hollow} ${radius}`;
  if (sprites.has(key)) return sprites.get(key);
  const sprite = document.createElement("canvas");
  const scale = devicePixelRatio || 1;
  sprite.width = sprite.height = Math.ceil(2 * (radius + 2) * scale);
  const brush = sprite.getContext("2d");
  brush.scale(scale, scale);
  brush.lineWidth = 2;
  brush.arc(radius + 2, radius + 2, radius, 0, 2 * Math.PI);
  brush.fillStyle = hollow ? palette.floor : palette.customers[colour];
  brush.strokeStyle = hollow ? palette.customers[colour] : palette.floor;
  brush.stroke();
  brush.fill();
  sprites.set(key, sprite);
  return sprite;
}

function drawMarkers(now) {
  const radius = customers.size > 300 ? 4 : 6;
  const size = 2 * (radius + 2);
  for (const customer of customers.values()) {
    const sprite = spriteOf(customer.colour, floorState.isPaused(customer.id), radius);
    context.globalAlpha = 1 - fadeOut(customer, now);
    context.drawImage(sprite, customer.screen.x - size / 2, customer.screen.y - size / 2, size, size);
  }
  context.globalAlpha = 1;
  const selected = customers.get(floorState.selected);
  if (!selected) return;
  context.strokeStyle = palette.ink;
  context.lineWidth = 2;
  context.beginPath();
  context.arc(selected.screen.x, selected.screen.y, radius + 5, 0, 2 * Math.PI);
  context.stroke();
}

// Draws labels where they do not overlap. A customer that had a label goes first, so that labels do not flicker.
function drawLabels(width, height) {
  const occupied = new Set();
  let count = 0;
  context.font = FONT;
  context.textBaseline = "middle";
  context.lineJoin = "round";
  context.lineWidth = 3;
  context.strokeStyle = palette.floor;
  context.fillStyle = palette.ink;
  const label = (customer, text, always) => {
    const textWidth = text === customer.label ? widthOf(customer) : context.measureText(text).width;
    const { x, y } = customer.screen;
    const gap = always ? 16 : 11;
    const start = x + gap + textWidth < width ? x + gap : x - gap - textWidth;
    if (y < 0 || y > height || count >= MAX_LABELS) return false;
    const cells = [];
    for (let cell = Math.floor(start / 12); cell <= Math.floor((start + textWidth) / 12); cell++) {
      cells.push(cell * 4096 + Math.floor((y - 7) / 14), cell * 4096 + Math.floor((y + 7) / 14));
    }
    if (!always && cells.some((cell) => occupied.has(cell))) return false;
    cells.forEach((cell) => occupied.add(cell));
    context.strokeText(text, start, y);
    context.fillText(text, start, y);
    return ++count > 0;
  };
  const first = [hovered, floorState.selected].map((id) => customers.get(id)).filter(Boolean);
  for (const one of first) label(one, `${one.label} · ${one.status} at ${one.x}, ${one.y}`, true);
  const others = [...customers.values()].filter((one) => !first.includes(one));
  const labelledBefore = others.filter((one) => one.labelled);
  const notBefore = others.filter((one) => !one.labelled);
  for (const one of labelledBefore) one.labelled = label(one, one.label, false);
  for (const one of notBefore) one.labelled = label(one, one.label, false);
}

const widthOf = (customer) => (customer.width ??= context.measureText(customer.label).width);

function customerAt(event) {
  const box = canvas.getBoundingClientRect();
  const x = event.clientX - box.left, y = event.clientY - box.top;
  let nearest = null, distance = 16;
  for (const { id, screen } of [...customers.values()].filter(isPresent)) {
    const gap = screen ? Math.hypot(screen.x - x, screen.y - y) : Infinity;
    if (gap < distance) [nearest, distance] = [id, gap];
  }
  return nearest;
}

export function startDrawing(onSelect) {
  canvas.onpointermove = (event) => {
    hovered = customerAt(event);
    canvas.style.cursor = hovered === null ? "" : "pointer";
    requestDraw();
  };
  canvas.onpointerleave = () => {
    hovered = null;
    requestDraw();
  };
  canvas.onclick = (event) => onSelect(customerAt(event));
  darkMode.addEventListener("change", readPalette);
  onChange(requestDraw);
  readPalette();
  new ResizeObserver(resize).observe(canvas);
}
