// The form to post a scenario, with an example in it.
import { askTimeline } from "./coming.js";
import { $, plural, setText } from "./dom.js";
import { scenarios, selectWhenListed } from "./scenarios.js";
import { call, serverNow } from "./server.js";

const HINTS = {
  scenario: "Times are ISO 8601 with a zone, or epoch milliseconds. An untouched example gets fresh ones when posted.",
  draft: "The walk starts in 10 s, at 0.03 s a unit; who comes to a FOCUS stays there for 37.5 s. Steps need no times.",
};
let walk, exampleText = "";
const kind = () => $("form").elements.kind.value;
const isUntouched = () => $("body").value === exampleText;

// Through three aisles of a shop: in at the door, a look at a shelf, out by the tills.
function newWalk() {
  let number = 1;
  while (scenarios.has(`customer-${number}`)) number++;
  const aisles = [120, 280, 440, 600, 760, 920].sort(() => Math.random() - 0.5).slice(0, 3);
  const corners = [{ type: "ENTER", x: 935, y: 50 }];
  for (const x of aisles) {
    const { y } = corners.at(-1);
    const otherEnd = y > 300 ? 90 : 420 + Math.floor(Math.random() * 120);
    corners.push({ type: "MOVE", x, y }, { type: x === aisles[1] ? "FOCUS" : "MOVE", x, y: otherEnd });
  }
  corners.push({ type: "MOVE", x: 60, y: corners.at(-1).y }, { type: "EXIT", x: 60, y: 50 });
  walk = { id: `customer-${number}`, corners };
}

function showExample() {
  const draft = kind() === "draft";
  let time = Math.ceil(serverNow() / 1000) * 1000 + 3_000;
  const lines = [];
  walk.corners.forEach(({ type, x, y }, index) => {
    const before = walk.corners[index - 1] ?? { x, y };
    const parts = draft ? 1 : Math.max(1, Math.round(Math.hypot(x - before.x, y - before.y) / 90));
    for (let part = 1; part <= parts; part++) {
      const between = (from, to) => Math.round(from + ((to - from) * part) / parts);
      const step = {
        type: part === parts ? type : "MOVE",
        location: { x: between(before.x, x), y: between(before.y, y) },
        ...(draft ? {} : { timestamp: new Date(time).toISOString().replace(".000", "") }),
      };
      lines.push(`    ${JSON.stringify(step)}`);
      time += 1_000;
    }
  });
  const customer = JSON.stringify({ customer_id: walk.id });
  exampleText = `{\n  "customer": ${customer},\n  "path": [\n${lines.join(",\n")}\n  ]\n}\n`;
  $("body").value = exampleText;
}

function showKind() {
  setText($("hint"), HINTS[kind()]);
  $("recalculate-label").hidden = kind() === "draft";
  if (isUntouched()) showExample();
}

function formError(text) {
  setText($("form-error"), text);
  $("form-error").hidden = !text;
  $("body").setAttribute("aria-invalid", String(Boolean(text)));
  if (!text) return;
  setText($("posted"), "");
  $("body").focus();
  const [, line, column] = /line (\d+),? column (\d+)/.exec(text) ?? [];
  if (!line) return;
  const before = $("body").value.split("\n").slice(0, line - 1).join("\n");
  const at = before.length + (line > 1 ? 1 : 0) + Math.max(0, column - 1);
  $("body").setSelectionRange(at, at + 1);
}

async function post() {
  if (isUntouched()) showExample();
  const text = $("body").value;
  const draft = kind() === "draft";
  $("post").disabled = true;
  try {
    const path = draft ? "scenario_draft" : `scenario?recalculate_time=${$("recalculate").checked}`;
    const answer = await call("POST", path, text);
    formError("");
    const id = draft ? answer.customer.customer_id : answer.customer_id;
    setText($("posted"), `Posted ${id}: ${plural(draft ? answer.path.length : answer.steps, "step")}.`);
    selectWhenListed(id);
    askTimeline();
  } catch (error) {
    formError(error.message);
  }
  $("post").disabled = false;
}

// An example for a customer who has come meanwhile would replace theirs.
export function renewExample() {
  if (!isUntouched() || !scenarios.has(walk.id) || document.activeElement === $("body")) return;
  newWalk();
  showExample();
}

export function startForm() {
  newWalk();
  showExample();
  showKind();
  $("form").onchange = showKind;
  $("form").onsubmit = (event) => {
    event.preventDefault();
    post();
  };
  $("body").onkeydown = (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) $("form").requestSubmit();
  };
  $("example").onclick = () => {
    newWalk();
    showExample();
    formError("");
  };
}
