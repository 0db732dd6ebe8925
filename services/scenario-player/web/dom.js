// Small helpers for the page. Ids may contain any character, so they are set as text, never as HTML.
export const $ = (id) => document.getElementById(id);

export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

// Makes a button ask before it acts: after the first click it says "Really?" for some seconds.
export function askBefore(button, label, act) {
  const text = button.textContent;
  let timer;
  const show = (isAsking) => {
    clearTimeout(timer);
    if (isAsking) timer = setTimeout(() => show(false), 4_000);
    button.classList.toggle("confirming", isAsking);
    setText(button, isAsking ? "Really?" : text);
    button.setAttribute("aria-label", isAsking ? `Really ${label[0].toLowerCase()}${label.slice(1)}?` : label);
  };
  button.onclick = () => {
    const isAsking = button.classList.contains("confirming");
    show(!isAsking);
    if (isAsking) act();
  };
  show(false);
}

// What a list shows of a customer's step, or of a recording's message.
export function describeEvent({ recording, index, customer_id, type, location }) {
  if (recording !== undefined) return { type: "MESSAGE", owner: recording, place: `${index + 1}` };
  return { type, owner: customer_id, place: `${location.x}, ${location.y}` };
}

export const plural = (count, noun) => `${count.toLocaleString("en")} ${noun}${count === 1 ? "" : "s"}`;
