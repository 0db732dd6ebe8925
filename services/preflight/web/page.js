// The page: a form, and the checklist and the locks of the run that it names.

const byId = (id) => document.getElementById(id);
const form = document.forms[0];
let connection = null;

function setState(state, text) {
  byId("state").dataset.state = state;
  byId("state").textContent = text;
}

function renderFlags(body, kind, flags, yes, no) {
  const renderRow = ([name, flag]) => {
    const tr = document.createElement("tr"), th = document.createElement("th"), td = document.createElement("td");
    th.scope = "row";
    th.textContent = name;
    td.textContent = flag ? yes : no;
    td.className = flag ? "yes" : "no";
    tr.dataset[kind] = name;
    tr.append(th, td);
    return tr;
  };
  body.replaceChildren(...Object.entries(flags).map(renderRow));
  body.parentElement.hidden = false;
}

function showChecklist(message) {
  const flags = Object.values(message.checklist);
  renderFlags(byId("checklist"), "entry", message.checklist, "✓ done", "○ to do");
  renderFlags(byId("locks"), "lock", message.lock_statuses, "● locked", "○ free");
  byId("done").textContent = `${flags.filter(Boolean).length} of ${flags.length} done`;
  const modified = message.last_modified;
  byId("changed").textContent = modified === undefined ? "" : `last changed ${new Date(modified * 1000).toLocaleString()}`;
}

function watch() {
  connection?.close();
  const run = form.run.value;
  for (const table of document.querySelectorAll("table")) table.hidden = true;
  byId("done").textContent = byId("changed").textContent = "";
  document.title = `${run} · preflight`;
  history.replaceState(null, "", shareableUrl());
  connection = watchChecklist(new URL("./", location.href).href, {
    run,
    token: form.token.value || undefined,
    onChecklist: showChecklist,
    onState(state, { delay, reason, code }) {
      if (state === "connecting") setState("waiting", `connecting to ${run}`);
      if (state === "open") setState("open", `watching ${run}`);
      if (state === "waiting") setState("waiting", `connection lost, trying again in ${(delay / 1000).toFixed(1)} s`);
      if (state === "closed") setState("waiting", `${run} cannot be watched: ${reason || code}`);
    },
  });
}

function shareableUrl() {
  const url = new URL(location.href);
  url.search = new URLSearchParams({ run: form.run.value });
  return url.href;
}

form.onsubmit = (event) => {
  event.preventDefault();
  watch();
};
byId("copy").onclick = async () => {
  if (!form.reportValidity()) return;
  await navigator.clipboard.writeText(shareableUrl());
  byId("copy").textContent = "Copied";
  setTimeout(() => { byId("copy").textContent = "Copy link"; }, 1500);
};

const params = new URLSearchParams(location.search);
if (params.has("run")) {
  form.run.value = params.get("run");
  form.token.value = params.get("token") ?? "";
  form.requestSubmit();
}
