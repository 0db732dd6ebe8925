// Terminal colours in lines (ECMA-48, "SGR").

const SEQUENCE = /\x1b(?:\[([0-9;:]*)m|\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-_])/g;

// The parts of a line, each { text, style } with the properties of CSS. Sequences that are no colours are left out.
function parseAnsi(line) {
  if (!line.includes("\x1b")) return [{ text: line, style: {} }];
  const parts = [];
  let state = {}, start = 0;
  const push = (end) => { if (end > start) parts.push({ text: line.slice(start, end), style: toStyle(state) }); };
  for (const match of line.matchAll(SEQUENCE)) {
    push(match.index);
    start = match.index + match[0].length;
    if (match[1] !== undefined) state = applyCodes(state, match[1].split(/[;:]/).map(Number));
  }
  push(line.length);
  return parts;
}

function applyCodes(state, codes) {
  let next = { ...state };
  for (let i = 0; i < codes.length; i += 1) {
    const code = codes[i];
    if (code === 0) next = {};
    else if (code === 1) next.bold = true;
    else if (code === 2) next.faint = true;
    else if (code === 3) next.italic = true;
    else if (code === 4) next.underline = true;
    else if (code === 7) next.inverse = true;
    else if (code === 22) next.bold = next.faint = false;
    else if (code === 23) next.italic = false;
    else if (code === 24) next.underline = false;
    else if (code === 27) next.inverse = false;
    else if (code >= 30 && code <= 37) next.color = named(code - 30);
    else if (code >= 40 && code <= 47) next.ground = named(code - 40);
    else if (code >= 90 && code <= 97) next.color = named(code - 82);
    else if (code >= 100 && code <= 107) next.ground = named(code - 92);
    else if (code === 39) next.color = undefined;
    else if (code === 49) next.ground = undefined;
    else if (code === 38 || code === 48) {
      const isRgb = codes[i + 1] === 2;
      const color = isRgb ? rgb(codes.slice(i + 2, i + 5)) : indexed(codes[i + 2]);
      next[code === 38 ? "color" : "ground"] = color;
      i += isRgb ? 4 : 2;
    }
  }
  return next;
}

function toStyle({ bold, faint, italic, underline, inverse, color, ground }) {
  const style = {};
  const [front, back] = inverse ? [ground ?? "var(--page)", color ?? "currentColor"] : [color, ground];
  if (front) style.color = front;
  if (back) style.backgroundColor = back;
  if (bold) style.fontWeight = "bold";
  if (faint) style.opacity = ".7";
  if (italic) style.fontStyle = "italic";
  if (underline) style.textDecoration = "underline";
  return style;
}

// One of the 16 colours that a terminal has names for. The page has them for light and dark.
const named = (index) => `var(--ansi-${index})`;
const rgb = (parts) => `rgb(${parts.map((part) => Math.min(255, part || 0)).join(" ")})`;

// One of 256: the named ones, a cube of 6 x 6 x 6, and 24 greys.
function indexed(index = 0) {
  if (index < 16) return named(index);
  if (index > 231) return rgb(Array(3).fill(8 + 10 * (index - 232)));
  const level = (power) => Math.floor((index - 16) / power) % 6;
  return rgb([36, 6, 1].map((power) => (level(power) ? 55 + 40 * level(power) : 0)));
}
