// The page: runs to choose from, and the checklist and the locks of the one that was chosen.

const form = document.forms[0];
let connection = null;
let watched = null;

function showChecklist(message) {
  const flags = Object.values(message.checklist);
  showSteps(Object.entries(message.checklist).map(([step, current]) => ({ step, current, obstacles: [] })));
  byId("locks").replaceChildren(...Object.entries(message.lock_statuses).map(lockRow));
  for (const body of [byId("checklist"), byId("locks")]) body.parentElement.hidden = false;
  byId("done").textContent = `${flags.filter(Boolean).length} of ${flags.length} done`;
  byId("changed").textContent = message.last_modified === undefined ? "" : `last changed ${toTime(message.last_modified)}`;
  explain();
}

const lockRow = ([name, isLocked]) => {
  const row = create("tr", {}, create("th", { scope: "row" }, name), create("td", { className: isLocked ? "yes" : "no" }, isLocked ? "● locked" : "○ free"));
  row.dataset.lock = name;
  return row;
};

function showSteps(steps) {
  byId("checklist").replaceChildren(...steps.map(({ step, current, done_at, obstacles }) => {
    const isStale = !current && done_at !== undefined;
    const state = current ? "✓ done" : isStale ? "! out of date" : "○ to do";
    const row = create(
      "tr",
      {},
      create("th", { scope: "row" }, step),
      create("td", { className: current ? "yes" : isStale ? "stale" : "no" }, state),
      create("td", {}, done_at === undefined ? "" : toTime(done_at)),
      create("td", {}, obstacles.map(toReason).join("; ")),
    );
    row.dataset.entry = step;
    return row;
  }));
}

function toReason({ field, problem, time }) {
  const name = field.replace(/^timestamps:/, "");
  if (problem === "newer") return `${name} was done later, ${toTime(time)}`;
  if (problem === "not-true") return `${name} is not true`;
  if (problem === "not-a-number") return `${name} is not a time`;
  return name === field ? `${name} is not set` : `${name} is not done`;
}

const toTime = (seconds) => new Date(seconds * 1000).toLocaleString();

// Asks for the reasons, once at a time: while one answer is under way, all further changes need one more.
let explaining = false;
let isOutdated = false;
async function explain() {
  isOutdated = true;
  if (explaining) return;
  explaining = true;
  while (isOutdated) {
    isOutdated = false;
    const run = watched;
    try {
      const { steps } = await getJson(`runs/${encodeURIComponent(run)}/checklist`, form.token.value);
      if (run === watched && !isOutdated) showSteps(steps);
    } catch (error) {
      if (run === watched && error.status === 404) byId("done").textContent = "there is no data of this run yet";
    }
  }
  explaining = false;
}

function watch() {
  connection?.close();
  watched = form.run.value;
  for (const body of [byId("checklist"), byId("locks")]) body.parentElement.hidden = true;
  byId("choices").open = false;
  byId("done").textContent = byId("changed").textContent = "";
  document.title = `${watched} · preflight`;
  history.replaceState(null, "", shareableUrl());
  connection = watchChecklist(new URL("./", location.href).href, {
    run: watched,
    token: form.token.value || undefined,
    onChecklist: showChecklist,
    onState: toOnState(watched),
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

offerChoices(form, {
  path: (search) => `runs?${new URLSearchParams({ search })}`,
  toRow: ({ run, current, steps, last_modified }) => {
    const bar = create("progress", { max: steps, value: current, ariaLabel: `steps of ${run}` });
    return [
      choice(run, () => {
        form.run.value = run;
        watch();
      }),
      create("span", {}, bar, ` ${current} of ${steps}`),
      last_modified === undefined ? "" : toTime(last_modified),
    ];
  },
});

const params = new URLSearchParams(location.search);
if (params.has("run")) {
  form.run.value = params.get("run");
  form.token.value = params.get("token") ?? "";
  form.requestSubmit();
}
