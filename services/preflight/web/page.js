// The page: a form, and the checklist and the locks of the run that it names.

const form = document.forms[0];
let connection = null;

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
    onState: toOnState(run),
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
onCopy(form, shareableUrl);

const params = new URLSearchParams(location.search);
if (params.has("run")) {
  form.run.value = params.get("run");
  form.token.value = params.get("token") ?? "";
  form.requestSubmit();
}
