// The page: what the form asks for, what the socket brings, and what is done with the lines.

const MOST_HISTORY = 100_000;
const form = byId("watch");
let connection = null;

const lines = new LineList(byId("log"), () => {
  const { count, matches, waiting, follows } = lines.state;
  byId("count").textContent = [
    count > 0 && `${count.toLocaleString("en")} ${count === 1 ? "line" : "lines"}`,
    matches !== null && `${matches.toLocaleString("en")} match`,
    byId("pause").ariaPressed === "true" && `paused, ${waiting.toLocaleString("en")} wait`,
  ].filter(Boolean).join(", ");
  byId("follow").hidden = follows;
});

function watch() {
  connection?.close();
  lines.clear();
  byId("choices").open = false;
  const [run, channel] = [form.run.value, form.channel.value];
  const name = `${run}:${channel}`;
  const channels = channel.split(",");
  const isSeveral = channels.length > 1 || channel === "*";
  const about = (line) => (isSeveral ? line.channel : undefined);
  document.title = `${name} · status-proxy`;
  history.replaceState(null, "", toLink());
  connection = subscribe(new URL("./", location.href).href, {
    run,
    channels,
    history: Math.min(Number(form.history.value) || 0, MOST_HISTORY),
    token: form.token.value || undefined,
    onLine: (text, line) => lines.add({ text, kind: "line", channel: about(line), time: new Date() }),
    onGap: (gap) => lines.add({ text: "lines may be missing here", kind: "note", channel: about(gap) }),
    onState: toOnState(name),
  });
}

// A link to what is watched, without the token.
function toLink() {
  const url = new URL(location.href);
  url.search = new URLSearchParams({ run: form.run.value, channel: form.channel.value, history: form.history.value });
  return url.href;
}

// What is looked for: a text in any case, or between slashes a regular expression. Null for nothing.
function toPattern(text) {
  const expression = /^\/(.+)\/$/.exec(text)?.[1];
  try {
    return text === "" ? null : new RegExp(expression ?? RegExp.escape?.(text) ?? text.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&"), "i");
  } catch {
    return null; // an expression that is not complete yet
  }
}

function find() {
  lines.find(toPattern(byId("find").value), byId("only").checked);
}

function download() {
  const address = URL.createObjectURL(new Blob([lines.toText()], { type: "text/plain" }));
  Object.assign(document.createElement("a"), { href: address, download: `${form.run.value}.log` }).click();
  URL.revokeObjectURL(address);
}

// A button that is pressed or not.
function onToggle(id, act) {
  const button = byId(id);
  button.onclick = () => {
    button.ariaPressed = String(button.ariaPressed !== "true");
    act(button.ariaPressed === "true");
  };
}

form.onsubmit = (event) => {
  event.preventDefault();
  watch();
};
byId("find").oninput = byId("only").onchange = find;
byId("download").onclick = download;
byId("clear").onclick = () => lines.clear();
byId("follow").onclick = () => lines.follow();
onToggle("pause", (isOn) => lines.pause(isOn));
onToggle("wrap", (isOn) => byId("log").classList.toggle("wrap", isOn));
onToggle("times", (isOn) => byId("log").classList.toggle("times", isOn));
onCopy(form, toLink);
document.onkeydown = (event) => {
  const isTyping = event.target.matches("input") || event.ctrlKey || event.metaKey || event.altKey;
  if (event.key === "Escape" && event.target === byId("find")) byId("log").focus();
  if (isTyping) return;
  const act = { "/": () => byId("find").focus(), p: () => byId("pause").click(), w: () => byId("wrap").click(), End: () => lines.follow() }[event.key];
  if (!act) return;
  event.preventDefault();
  act();
};

offerChoices(form, {
  path: (search) => `runs?${new URLSearchParams({ search })}`,
  toRow: ({ run, channels }) => {
    const choose = (channel) => {
      form.run.value = run;
      form.channel.value = channel;
      watch();
    };
    const names = channels.map(({ channel }) => choice(channel, () => choose(channel)));
    return [
      choice(run, () => choose("*")),
      create("div", { className: "choices" }, ...names),
      channels[0].last_line_at === undefined ? "" : new Date(channels[0].last_line_at * 1000).toLocaleString(),
    ];
  },
});

const query = new URLSearchParams(location.search);
for (const name of ["run", "channel", "history", "token"]) {
  if (query.has(name)) form[name].value = query.get(name);
}
if (query.has("run") && query.has("channel")) form.requestSubmit();
