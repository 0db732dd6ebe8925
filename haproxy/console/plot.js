// A small plot of what History keeps, at most the last hour.

const WIDTH = 240;
const HEIGHT = 28;

// Draws the points, each [time in ms, value], into the svg. `describe` makes a text of a value, for who cannot see it.
export function draw(svg, points, now, describe) {
  const most = Math.max(...points.map(([, value]) => value), 0);
  const least = Math.min(...points.map(([, value]) => value));
  const span = Math.max(now - points[0][0], LEAST_SPAN_MS);
  const x = (time) => (WIDTH * (1 - (now - time) / span)).toFixed(1);
  const y = (value) => (most === 0 ? HEIGHT - 1 : HEIGHT - 1 - ((HEIGHT - 2) * value) / most).toFixed(1);
  const line = points.map(([time, value], index) => {
    // Where nothing is known the line begins anew.
    const follows = index > 0 && time - points[index - 1][0] < GAP_MS;
    return `${follows ? "L" : "M"}${x(time)} ${y(value)}`;
  });
  svg.querySelector(".line").setAttribute("d", line.join(""));
  svg.querySelector("title").textContent = `the last ${Math.ceil(span / 60_000)} min: ${describe(least)} to ${describe(most)}`;
}

export function createPlot() {
  const svg = create("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", role: "img" });
  const y = HEIGHT - 0.5;
  const title = create("title", {});
  title.textContent = "nothing is known yet";
  svg.append(title, create("line", { class: "ground", x1: 0, x2: WIDTH, y1: y, y2: y }), create("path", { class: "line" }));
  return svg;
}

function create(name, attributes) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [attribute, value] of Object.entries(attributes)) element.setAttribute(attribute, value);
  return element;
}

const LEAST_SPAN_MS = 300_000;
const GAP_MS = 60_000;
