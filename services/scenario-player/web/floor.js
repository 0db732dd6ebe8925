// The shop floor on its canvas: drawn once a frame, and only while something moves.
import { COLOURS, customers, fadedAt, glide, goneAt, isHere, onChange, seen } from "./customers.js";
import { $ } from "./dom.js";

const AGES = 4; // steps in which a trail fades
const MAX_LABELS = 300;

// What the floor shows of the scenarios: who is selected, the places that are planned for them, who is paused.
export const look = { selected: null, planned: [], isPaused: () => false };
export let paint = {}; // the colours

const canvas = $("floor");
const context = canvas.getContext("2d", { alpha: false });
const FONT = "12px system-ui, sans-serif";
const stillness = matchMedia("(prefers-reduced-motion: reduce)");
const darkness = matchMedia("(prefers-color-scheme: dark)");
let view = null; // what it holds, on its way to what has been seen
let hovered = null;
let frame = 0, laterFrame = 0;

function readPaint() {
  const style = getComputedStyle(document.documentElement);
  const colour = (name) => style.getPropertyValue(name).trim();
  const tone = darkness.matches ? "0.74 0.14" : "0.55 0.16";
  const colours = Array.from({ length: COLOURS }, (_, i) => `oklch(${tone} ${(i * 360) / COLOURS + 20})`);
  paint = { floor: colour("--floor"), grid: colour("--grid"), quiet: colour("--quiet"), ink: colour("--ink"), colours };
  sprites.clear();
  wake();
}

export const wake = () => {
  frame ||= requestAnimationFrame(draw);
};

function resize() {
  const scale = devicePixelRatio || 1;
  canvas.width = Math.round(canvas.clientWidth * scale);
  canvas.height = Math.round(canvas.clientHeight * scale);
  sprites.clear();
  if (frame) cancelAnimationFrame(frame);
  draw(performance.now()); // at once: a new size empties it
}

// Moves the view towards what has to be held; true while it is on its way.
function ease() {
  if (!seen) return false;
  const room = 0.06 * Math.max(seen.x1 - seen.x0, seen.y1 - seen.y0, 100);
  const goal = { x0: seen.x0 - room, y0: seen.y0 - room, x1: seen.x1 + room, y1: seen.y1 + room };
  const near = 0.002 * (goal.x1 - goal.x0 + goal.y1 - goal.y0);
  if (!view || stillness.matches || Object.keys(goal).every((k) => Math.abs(goal[k] - view[k]) < near)) {
    view = goal;
    return false;
  }
  for (const k in goal) view[k] += (goal[k] - view[k]) * 0.15;
  return true;
}

function draw(now) {
  frame = 0;
  const width = canvas.clientWidth, height = canvas.clientHeight;
  let busy = ease();
  context.setTransform(canvas.width / width, 0, 0, canvas.height / height, 0, 0);
  context.fillStyle = paint.floor;
  context.fillRect(0, 0, width, height);
  if (!view) return;
  const scale = Math.min(width / (view.x1 - view.x0), height / (view.y1 - view.y0));
  const left = (width - scale * (view.x0 + view.x1)) / 2, top = (height - scale * (view.y0 + view.y1)) / 2;
  const toX = (x) => left + x * scale, toY = (y) => top + y * scale;
  drawGrid(width, height, scale, left, top);
  for (const customer of customers.values()) {
    const [x, y] = glide(customer, now);
    customer.screen = { x: toX(x), y: toY(y) };
    busy ||= now < customer.until || !isHere(customer);
  }
  const fading = drawTrails(now, toX, toY);
  drawPlanned(toX, toY);
  drawMarkers(now);
  drawLabels(width, height);
  if (busy) wake();
  else if (fading && !laterFrame) {
    laterFrame = setTimeout(() => {
      laterFrame = 0;
      wake();
    }, 250);
  }
}

function drawGrid(width, height, scale, left, top) {
  const rough = 70 / scale;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 5, 10].find((times) => times * power >= rough);
  context.strokeStyle = paint.grid;
  context.fillStyle = paint.quiet;
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

// One path per colour and age: a few strokes, however many customers.
function drawTrails(now, toX, toY) {
  const paths = new Map();
  const many = customers.size > 200;
  for (const customer of customers.values()) {
    const { trail, screen, colour } = customer;
    for (let i = 0; i < trail.length; i += 3) {
      const age = Math.floor(fadedAt(trail[i + 2], now) * AGES);
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
    context.strokeStyle = paint.colours[Math.floor(key / AGES)];
    context.globalAlpha = (many ? 0.4 : 0.6) * (1 - (key % AGES) / AGES) ** 1.5;
    context.stroke(path);
  }
  context.globalAlpha = 1;
  return paths.size > 0;
}

function drawPlanned(toX, toY) {
  if (look.planned.length < 2) return;
  context.strokeStyle = paint.quiet;
  context.lineWidth = 1;
  context.setLineDash([3, 4]);
  context.beginPath();
  for (const { x, y } of look.planned) context.lineTo(toX(x), toY(y));
  context.stroke();
  context.setLineDash([]);
}

// Markers are painted once each and then copied: a thousand circles a frame are too much without a graphics card.
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
  brush.fillStyle = hollow ? paint.floor : paint.colours[colour];
  brush.strokeStyle = hollow ? paint.colours[colour] : paint.floor;
  brush.stroke();
  brush.fill();
  sprites.set(key, sprite);
  return sprite;
}

function drawMarkers(now) {
  const radius = customers.size > 300 ? 4 : 6;
  const size = 2 * (radius + 2);
  for (const customer of customers.values()) {
    const sprite = spriteOf(customer.colour, look.isPaused(customer.id), radius);
    context.globalAlpha = 1 - goneAt(customer, now);
    context.drawImage(sprite, customer.screen.x - size / 2, customer.screen.y - size / 2, size, size);
  }
  context.globalAlpha = 1;
  const chosen = customers.get(look.selected);
  if (!chosen) return;
  context.strokeStyle = paint.ink;
  context.lineWidth = 2;
  context.beginPath();
  context.arc(chosen.screen.x, chosen.screen.y, radius + 5, 0, 2 * Math.PI);
  context.stroke();
}

// Names where there is room; who had one keeps it, so that they do not flicker.
function drawLabels(width, height) {
  const taken = new Set();
  let count = 0;
  context.font = FONT;
  context.textBaseline = "middle";
  context.lineJoin = "round";
  context.lineWidth = 3;
  context.strokeStyle = paint.floor;
  context.fillStyle = paint.ink;
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
    if (!always && cells.some((cell) => taken.has(cell))) return false;
    cells.forEach((cell) => taken.add(cell));
    context.strokeText(text, start, y);
    context.fillText(text, start, y);
    return ++count > 0;
  };
  const first = [hovered, look.selected].map((id) => customers.get(id)).filter(Boolean);
  for (const one of first) label(one, `${one.label} · ${one.status} at ${one.x}, ${one.y}`, true);
  const others = [...customers.values()].filter((one) => !first.includes(one));
  const labelledBefore = others.filter((one) => one.labelled);
  const notBefore = others.filter((one) => !one.labelled);
  for (const one of labelledBefore) one.labelled = label(one, one.label, false);
  for (const one of notBefore) one.labelled = label(one, one.label, false);
}

const widthOf = (customer) => (customer.width ??= context.measureText(customer.label).width);

function customerNear(event) {
  const box = canvas.getBoundingClientRect();
  const x = event.clientX - box.left, y = event.clientY - box.top;
  let nearest = null, distance = 16;
  for (const { id, screen } of [...customers.values()].filter(isHere)) {
    const away = screen ? Math.hypot(screen.x - x, screen.y - y) : Infinity;
    if (away < distance) [nearest, distance] = [id, away];
  }
  return nearest;
}

export function startDrawing(select) {
  canvas.onpointermove = (event) => {
    hovered = customerNear(event);
    canvas.style.cursor = hovered === null ? "" : "pointer";
    wake();
  };
  canvas.onpointerleave = () => {
    hovered = null;
    wake();
  };
  canvas.onclick = (event) => select(customerNear(event));
  darkness.addEventListener("change", readPaint);
  onChange(wake);
  readPaint();
  new ResizeObserver(resize).observe(canvas);
}
