// What the pages do alike: they say how their connection stands, and copy a link to what they show.

const byId = (id) => document.getElementById(id);

function showState(state, text) {
  byId("state").dataset.state = state;
  byId("state").textContent = text;
}

// `onState` of the client library, for what has this name.
function toOnState(name) {
  let wasLost = false;
  return (state, { delay, reason, code }) => {
    if (state === "connecting") showState("waiting", `connecting to ${name}`);
    const again = wasLost ? `, connected again at ${new Date().toTimeString().slice(0, 8)}` : "";
    if (state === "open") showState("open", `watching ${name}${again}`);
    if (state === "waiting") {
      wasLost = true;
      showState("waiting", `connection lost, trying again in ${(delay / 1000).toFixed(1)} s`);
    }
    if (state === "closed") showState("waiting", `${name} cannot be watched: ${reason || code}`);
  };
}

// The button "copy" copies what `toLink` returns, once the form is filled in.
function onCopy(form, toLink) {
  byId("copy").onclick = async () => {
    if (!form.reportValidity()) return;
    await navigator.clipboard.writeText(toLink());
    byId("copy").textContent = "Copied";
    setTimeout(() => { byId("copy").textContent = "Copy link"; }, 1500);
  };
}

// An element with these properties and children.
function create(name, properties = {}, ...children) {
  const element = Object.assign(document.createElement(name), properties);
  element.append(...children);
  return element;
}

// JSON of the service. Rejected with what the service says.
async function getJson(path, token) {
  const headers = token === "" ? {} : { authorization: `Bearer ${token}` };
  const response = await fetch(path, { headers, cache: "no-store" });
  if (!response.ok) throw Object.assign(new Error((await response.text()).trim()), { status: response.status });
  return response.json();
}

const choice = (text, onclick) => create("button", { type: "button", className: "quiet choice", onclick }, text);

// Fills the table of recent runs, asked for at `path(search)`, by what is typed as the run; again and again while it is open.
// `toRow` makes the cells of a run.
function offerChoices(form, { path, toRow }) {
  let timer = null;
  let search = "";
  async function refresh() {
    clearTimeout(timer);
    if (!byId("choices").open) return;
    const asked = search;
    try {
      const { runs, complete, problem } = await getJson(path(asked), form.token.value);
      if (asked !== search) return;
      byId("runs").replaceChildren(...runs.map((run) => {
        const [name, ...cells] = toRow(run);
        return create("tr", {}, create("th", { scope: "row" }, name), ...cells.map((cell) => create("td", {}, cell)));
      }));
      const more = complete ? "" : problem === undefined ? "; still looking" : `; not all: ${problem}`;
      byId("found").textContent = `${runs.length === 0 ? "none" : runs.length}${search === "" ? "" : ` with “${search}”`}${more}`;
    } catch (error) {
      byId("runs").replaceChildren();
      byId("found").textContent = error.status === 401 ? "a token is needed to list them" : `cannot be listed: ${error.message}`;
    }
    clearTimeout(timer);
    timer = setTimeout(refresh, CHOICES_INTERVAL_MS);
  }
  const soon = () => {
    clearTimeout(timer);
    timer = setTimeout(refresh, TYPING_PAUSE_MS);
  };
  form.addEventListener("input", () => {
    search = form.run.value;
    soon();
  });
  byId("choices").addEventListener("toggle", () => {
    // The run that is watched is no search for others.
    search = "";
    soon();
  });
  soon();
}
const TYPING_PAUSE_MS = 150;
const CHOICES_INTERVAL_MS = 10_000;
