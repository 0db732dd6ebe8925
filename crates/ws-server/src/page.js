// What the pages do alike: they say how their connection stands, and copy a link to what they show.

const byId = (id) => document.getElementById(id);

function showState(state, text) {
  byId("state").dataset.state = state;
  byId("state").textContent = text;
}

// `onState` of the client library, for what has this name.
function toOnState(name) {
  return (state, { delay, reason, code }) => {
    if (state === "connecting") showState("waiting", `connecting to ${name}`);
    if (state === "open") showState("open", `watching ${name}`);
    if (state === "waiting") showState("waiting", `connection lost, trying again in ${(delay / 1000).toFixed(1)} s`);
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
