// The form to post a scenario. It always contains an example.
import { $, plural, setText } from "./dom.js";
import { scenarios, selectWhenListed } from "./scenarios.js";
import { request, serverNow } from "./server.js";
import { refreshUpcoming } from "./upcoming.js";

const HINTS = {
  scenario: "Times are ISO 8601 with a zone, or epoch milliseconds. An unchanged example gets new times when posted.",
  draft: "Steps need no times. The first is due in 10 s, each next one after 0.03 s per unit of distance. "
    + "At a FOCUS the customer stays for 37.5 s.",
};
let example, exampleText = "";
const kind = () => $("form").elements.kind.value;
const isUnchanged = () => $("body").value === exampleText;

// A way through three aisles of the shop: in through the entrance, a stop at a shelf, out past the tills.
function newExample() {
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
  example = { id: `customer-${number}`, corners };
}

function showExample() {
  const draft = kind() === "draft";
  let time = Math.ceil(serverNow() / 1000) * 1000 + 3_000;
  const lines = [];
  example.corners.forEach(({ type, x, y }, index) => {
    const previous = example.corners[index - 1] ?? { x, y };
    const parts = draft ? 1 : Math.max(1, Math.round(Math.hypot(x - previous.x, y - previous.y) / 90));
    for (let part = 1; part <= parts; part++) {
      const interpolate = (from, to) => Math.round(from + ((to - from) * part) / parts);
      const step = {
        type: part === parts ? type : "MOVE",
        location: { x: interpolate(previous.x, x), y: interpolate(previous.y, y) },
        ...(draft ? {} : { timestamp: new Date(time).toISOString().replace(".000", "") }),
      };
      lines.push(`    ${JSON.stringify(step)}`);
      time += 1_000;
    }
  });
  const customer = JSON.stringify({ customer_id: example.id });
  exampleText = `{\n  "customer": ${customer},\n  "path": [\n${lines.join(",\n")}\n  ]\n}\n`;
  $("body").value = exampleText;
}

function showKind() {
  setText($("hint"), HINTS[kind()]);
  $("recalculate-label").hidden = kind() === "draft";
  if (isUnchanged()) showExample();
}

function showFormError(text) {
  setText($("form-error"), text);
  $("form-error").hidden = !text;
  $("body").setAttribute("aria-invalid", String(Boolean(text)));
  if (!text) return;
  setText($("posted"), "");
  $("body").focus();
  const [, line, column] = /line (\d+),? column (\d+)/.exec(text) ?? [];
  if (!line) return;
  const linesBefore = $("body").value.split("\n").slice(0, line - 1).join("\n");
  const position = linesBefore.length + (line > 1 ? 1 : 0) + Math.max(0, column - 1);
  $("body").setSelectionRange(position, position + 1);
}

async function post() {
  if (isUnchanged()) showExample();
  const text = $("body").value;
  const draft = kind() === "draft";
  $("post").disabled = true;
  try {
    const path = draft ? "scenario_draft" : `scenario?recalculate_time=${$("recalculate").checked}`;
    const answer = await request("POST", path, text);
    showFormError("");
    const id = draft ? answer.customer.customer_id : answer.customer_id;
    setText($("posted"), `Posted ${id}: ${plural(draft ? answer.path.length : answer.steps, "step")}.`);
    selectWhenListed(id);
    refreshUpcoming();
  } catch (error) {
    showFormError(error.message);
  }
  $("post").disabled = false;
}

// Makes a new example if the customer of the old one has a scenario by now, which a post would replace.
export function renewExample() {
  if (!isUnchanged() || !scenarios.has(example.id) || document.activeElement === $("body")) return;
  newExample();
  showExample();
}

export function startForm() {
  newExample();
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
    newExample();
    showExample();
    showFormError("");
  };
}
