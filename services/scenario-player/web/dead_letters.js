// The dead letters: steps and messages that the broker refused for good. Their section is there while there are any.
import { $, askBefore, describeEvent, plural, setText } from "./dom.js";
import { poll, request, runAction } from "./server.js";
import { refreshUpcoming } from "./upcoming.js";

const MAX_SHOWN = 50;
const rows = new Map(); // id -> its item in the list

async function act(method, path) {
  await runAction(() => request(method, path));
  refreshDeadLetters();
  refreshUpcoming();
}

function makeRow({ id, reason, refused_at, ...event }) {
  const { type, owner, place } = describeEvent(event);
  const item = $("dead-row").content.firstElementChild.cloneNode(true);
  const part = (name) => item.querySelector(name);
  item.dataset.id = id;
  setText(part(".type"), type);
  setText(part("bdi"), owner);
  setText(part(".position"), place);
  setText(part(".reason"), reason);
  const time = part("time");
  time.dateTime = refused_at;
  setText(time, new Date(refused_at).toLocaleString("en"));
  part(".replay").setAttribute("aria-label", `Replay ${type} of ${owner}`);
  part(".replay").onclick = () => act("POST", `dead_letters/${id}/replay`);
  askBefore(part(".drop"), `Drop ${type} of ${owner}`, () => act("DELETE", `dead_letters/${id}`));
  return item;
}

function showDeadLetters(letters) {
  const list = $("dead");
  const shown = letters.slice(0, MAX_SHOWN);
  const ids = new Set(shown.map(({ id }) => id));
  const hadFocus = list.contains(document.activeElement);
  for (const [id, item] of rows) {
    if (ids.has(id)) continue;
    item.remove();
    rows.delete(id);
  }
  for (const letter of shown) {
    if (rows.has(letter.id)) continue;
    rows.set(letter.id, makeRow(letter));
    list.append(rows.get(letter.id));
  }
  // The button that had the focus may be gone with its row.
  if (hadFocus && !list.contains(document.activeElement)) list.querySelector("button")?.focus();
  const count = letters.length > MAX_SHOWN ? `The oldest ${MAX_SHOWN} of more steps` : plural(letters.length, "step");
  setText($("dead-count"), letters.length ? `${count} that the broker refused for good.` : "");
  $("dead-section").hidden = letters.length === 0;
}

export const refreshDeadLetters = poll("dead letters", 5_000, async () => {
  showDeadLetters(await request("GET", `dead_letters?limit=${MAX_SHOWN + 1}`));
});

export function startDeadLetters() {
  $("replay-all").onclick = () => act("POST", "dead_letters/replay");
  askBefore($("drop-all"), "Drop all dead letters", () => act("DELETE", "dead_letters"));
}
