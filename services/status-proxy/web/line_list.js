// The lines on the page, the last 100,000. They stand in blocks, which the browser lays out only where they are seen, and they
// are drawn some thousand a frame, so that the page never stands still.

const MAX_LINES = 100_000;
const BLOCK_LINES = 250;
const LINES_PER_FRAME = 4000;
const AT_END_PX = 40;

class LineList {
  #element;
  #onChange;
  #lines = [];
  #drawn = 0; // of the lines, how many have been drawn or left out
  #count = 0; // lines since the list was cleared
  #matches = 0;
  #pattern = null;
  #onlyMatches = false;
  #isPaused = false;
  #follows = true;
  #frame = null;

  // `onChange` is called after each change of what the page says about the lines.
  constructor(element, onChange) {
    this.#element = element;
    this.#onChange = onChange;
    element.addEventListener("scroll", () => {
      this.#follows = element.scrollHeight - element.scrollTop - element.clientHeight < AT_END_PX;
      onChange();
    });
  }

  // A line is { text, kind: "line" | "note", channel, time }; `time` is a Date or undefined, `channel` may be undefined.
  add(line) {
    this.#lines.push(line);
    if (line.kind === "line") this.#count += 1;
    this.#trim();
    this.#schedule();
  }

  clear() {
    this.#lines = [];
    this.#count = 0;
    this.#redraw();
  }

  // Marks what matches the pattern, a RegExp or null, and shows only those lines if `onlyMatches`.
  find(pattern, onlyMatches) {
    this.#pattern = pattern;
    this.#onlyMatches = onlyMatches && pattern !== null;
    this.#redraw();
  }

  // While it is paused lines are kept and not drawn.
  pause(isPaused) {
    this.#isPaused = isPaused;
    this.#schedule();
  }

  follow() {
    this.#follows = true;
    this.#element.scrollTop = this.#element.scrollHeight;
  }

  get state() {
    const matches = this.#pattern === null ? null : this.#matches;
    return { count: this.#count, matches, waiting: this.#lines.length - this.#drawn, follows: this.#follows };
  }

  // The lines as they were published, without colours.
  toText() {
    const toLine = ({ text, channel, time }) =>
      [time?.toISOString(), channel, parseAnsi(text).map((part) => part.text).join("")].filter(Boolean).join(" ");
    return this.#lines.map((line) => `${toLine(line)}\n`).join("");
  }

  #trim() {
    if (this.#lines.length < MAX_LINES + BLOCK_LINES) return;
    this.#lines.splice(0, BLOCK_LINES);
    if (this.#drawn > 0) {
      this.#element.firstElementChild.remove();
      this.#drawn = Math.max(0, this.#drawn - BLOCK_LINES);
    }
  }

  #redraw() {
    this.#drawn = this.#matches = 0;
    this.#element.replaceChildren();
    this.#schedule();
  }

  #schedule() {
    if (this.#frame !== null) return;
    // A page that is not seen has no frames.
    const later = document.hidden ? (draw) => setTimeout(draw, 1000) : requestAnimationFrame;
    this.#frame = later(() => {
      this.#frame = null;
      if (!this.#isPaused) this.#draw();
      this.#onChange();
    });
  }

  #draw() {
    const end = Math.min(this.#lines.length, this.#drawn + LINES_PER_FRAME);
    for (; this.#drawn < end; this.#drawn += 1) {
      if (this.#drawn % BLOCK_LINES === 0) this.#element.append(make("div", "block"));
      const line = this.#lines[this.#drawn];
      const isMatch = this.#pattern !== null && this.#pattern.test(line.text);
      if (isMatch) this.#matches += 1;
      if (isMatch || !this.#onlyMatches) this.#element.lastElementChild.append(this.#drawLine(line, isMatch));
    }
    if (this.#follows) this.#element.scrollTop = this.#element.scrollHeight;
    if (this.#drawn < this.#lines.length) this.#schedule();
  }

  #drawLine({ text, kind, channel, time }, isMatch) {
    const line = make("div", kind);
    if (time) line.dataset.time = time.toTimeString().slice(0, 8);
    if (channel) line.append(make("span", "channel", channel), " ");
    for (const part of parseAnsi(text)) {
      const span = make("span");
      Object.assign(span.style, part.style);
      span.append(...(isMatch ? markMatches(part.text, this.#pattern) : [part.text]));
      line.append(span);
    }
    return line;
  }
}

// The text in pieces, those that match in <mark>.
function markMatches(text, pattern) {
  const pieces = [];
  let start = 0;
  for (const match of text.matchAll(new RegExp(pattern, `${pattern.flags}g`))) {
    if (match[0] === "") continue;
    pieces.push(text.slice(start, match.index), make("mark", "", match[0]));
    start = match.index + match[0].length;
  }
  return [...pieces, text.slice(start)];
}

function make(name, className = "", text = "") {
  const element = document.createElement(name);
  if (className) element.className = className;
  element.textContent = text;
  return element;
}
