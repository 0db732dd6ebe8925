// Status lines (status-proxy) and checklists (preflight) of runs, live. See README.md.

/** The lines of some channels of a run: each once and in order, and a gap is told wherever lines may be missing. */
export function subscribe(url, options) {
  const { run, history = 0, onLine = () => {}, onGap = () => {} } = options;
  const channels = [options.channels].flat();
  let lastId, wasOpen = false, since;
  return stayConnected(url, options, {
    path: `${encodeURIComponent(run)}:${channels.map(encodeURIComponent).join(",")}`,
    eventStream: "/sse",
    // What is asked for must not change while the answer is under way.
    query: () => ((since = lastId) === undefined ? { history } : { since }),
    handle(frame) {
      const channel = frame.channel ?? channels[0];
      if (frame.type === "status") {
        lastId = frame.id;
        onLine(frame.data, { channel, id: frame.id });
      } else if (frame.type === "gap" || (frame.type === "resume" && wasOpen && !(frame.recovered && since))) {
        // Without an id to resume from, nobody knows what was missed while the connection was lost.
        onGap({ channel });
      }
    },
    ended: (opened) => { wasOpen ||= opened; },
  });
}

/** The checklist of a run, or of several on one socket: now, and at each change. */
export function watchChecklist(url, options) {
  const [first, ...others] = [options.runs ?? options.run].flat();
  const { onChecklist = () => {}, onRefused = () => {} } = options;
  return stayConnected(url, options, {
    path: encodeURIComponent(first),
    query: () => ({}),
    opened: (send) => others.forEach((run) => send({ type: "subscribe", run })),
    handle({ type, run = first, ...rest }) {
      if (type === "preflight") onChecklist(rest, { run });
      if (type === "refused") onRefused({ run, code: rest.code, reason: rest.reason });
    },
  });
}

/** Closes that no new attempt would change: no run id, not for this run, the run is too large. */
const FINAL = [4400, 4403, 4413];
const UNAUTHORIZED = 4401, RESTART = 1012, LOST = 1006;
const CONNECT_TIMEOUT = 20_000, SETTLED = 5_000, MAX_TIMER = 2 ** 31 - 1;

function stayConnected(base, options, protocol) {
  const { token, silence = 75_000, onState = () => {}, WebSocket = globalThis.WebSocket } = options;
  const renews = typeof token === "function";
  // An attempt that is over, or a link that was dropped, is not heard any more: its number is not the current one.
  let current = 0, link, state, failures = 0, unauthorized = 0, heardAt, openedAt, retryTimer, tokenTimer;
  const hasOpened = { socket: false, stream: false };

  function show(name, details = {}) {
    state = name;
    onState(name, details);
  }

  async function start() {
    clearTimeout(retryTimer);
    const mine = ++current;
    heardAt = Date.now();
    openedAt = undefined;
    show("connecting");
    if (mine !== current) return;
    let jwt;
    try {
      jwt = renews ? await token() : token;
    } catch (error) {
      if (mine === current) end(LOST, String(error));
      return;
    }
    if (mine !== current) return;
    const kind = chooseTransport();
    const ifCurrent = (act) => (...values) => { if (mine === current) act(...values); };
    const events = {
      heard: ifCurrent(() => { heardAt = Date.now(); }),
      opened: ifCurrent(() => {
        openedAt = Date.now();
        hasOpened[kind] = true;
        if (kind === "socket" && renews && jwt) renewLater(jwt, mine);
        show("open", { transport: kind === "socket" ? "websocket" : "sse" });
        if (mine === current) protocol.opened?.(send);
      }),
      text: ifCurrent((text) => {
        heardAt = Date.now();
        const frame = JSON.parse(text);
        unauthorized = 0;
        if (frame.type === "ping") send({ type: "pong" });
        else protocol.handle(frame);
      }),
      ended: ifCurrent(end),
    };
    try {
      link = kind === "socket" ? openSocket(WebSocket, address("ws"), jwt, events)
        : openStream(options.fetch ?? fetch, address("http", protocol.eventStream), jwt, events);
    } catch (error) {
      end(LOST, String(error));
    }
  }

  // Every third attempt in a row takes the other way: a proxy may not let WebSockets pass, and only the answer to a plain
  // request has a status that can be read.
  function chooseTransport() {
    if (!protocol.eventStream) return "socket";
    if (!WebSocket) return "stream";
    const usual = hasOpened.stream && !hasOpened.socket ? "stream" : "socket";
    return failures % 3 < 2 ? usual : usual === "socket" ? "stream" : "socket";
  }

  function address(scheme, suffix = "") {
    const url = new URL(base, globalThis.location?.href);
    url.protocol = url.protocol.replace(/^(http|ws)/, scheme);
    url.pathname = url.pathname.replace(/\/?$/, "/") + protocol.path + suffix;
    for (const [name, value] of Object.entries(protocol.query())) url.searchParams.set(name, value);
    return url.href;
  }

  function send(message) {
    link?.send(JSON.stringify(message));
  }

  function renewLater(jwt, mine) {
    const left = expiryOf(jwt) * 1000 - Date.now();
    if (!(left > 0)) return;
    clearTimeout(tokenTimer);
    tokenTimer = setTimeout(async () => {
      let next = jwt;
      try {
        next = await token();
        if (mine === current && next !== jwt) send({ type: "token", token: next });
      } catch { /* The old one is still good for a while. */ }
      if (mine === current) renewLater(next, mine);
    }, Math.min(Math.max(left - 60_000, left / 2, 500), MAX_TIMER));
  }

  function drop() {
    const dropped = link;
    link = undefined;
    current += 1;
    clearTimeout(tokenTimer);
    dropped?.close();
  }

  function end(code, reason = "") {
    drop();
    protocol.ended?.(openedAt !== undefined);
    const isFinal = FINAL.includes(code) || (code === UNAUTHORIZED && (!renews || ++unauthorized > 2));
    if (isFinal) return stop(code, reason);
    if (openedAt && Date.now() - openedAt > SETTLED) failures = 0;
    // With jitter, so that not all viewers of an instance come back at the same time.
    const delay = code === RESTART ? 1000 * Math.random() : Math.min(500 * 2 ** failures, 15_000) * (0.5 + Math.random());
    if (code !== RESTART) failures += 1;
    retryTimer = setTimeout(start, delay);
    show("waiting", { code, reason, delay });
  }

  // A phone that slept, or a page that was frozen, has connections that only seem to stand.
  function wake() {
    if (state === "waiting") start();
    else if (link && Date.now() - heardAt > silence / 2) end(RESTART, "slept");
  }

  let ticked = Date.now();
  const tick = Math.min(silence / 4, 1000);
  const watch = setInterval(() => {
    const now = Date.now();
    if (now - heardAt > (openedAt === undefined ? Math.min(CONNECT_TIMEOUT, silence) : silence) && state !== "waiting") end(LOST, "silent");
    else if (now - ticked > 10_000) wake();
    ticked = now;
  }, tick);
  const onVisible = () => { if (globalThis.document?.visibilityState !== "hidden") wake(); };
  const listeners = [[globalThis.document, "visibilitychange"], [globalThis.window, "online"], [globalThis.window, "pageshow"]];
  for (const [target, name] of listeners) target?.addEventListener?.(name, onVisible);

  function stop(code, reason) {
    if (state === "closed") return;
    drop();
    clearTimeout(retryTimer);
    clearInterval(watch);
    for (const [target, name] of listeners) target?.removeEventListener?.(name, onVisible);
    show("closed", { code, reason });
  }

  start();
  return { close: () => stop(1000, "closed by the page"), get state() { return state; } };
}

function openSocket(WebSocket, url, jwt, events) {
  const socket = jwt ? new WebSocket(url, ["bearer", jwt]) : new WebSocket(url);
  socket.onopen = () => { events.heard(); events.opened(); };
  socket.onmessage = ({ data }) => events.text(data);
  socket.onclose = ({ code, reason }) => events.ended(code, reason);
  socket.onerror = () => {}; // A close follows.
  return { send: (text) => { if (socket.readyState === 1) socket.send(text); }, close: () => socket.close() };
}

function openStream(fetch, url, jwt, events) {
  const abort = new AbortController();
  read().then(
    ([code, reason]) => events.ended(code, reason),
    (error) => events.ended(LOST, String(error)),
  );
  return { send() {}, close: () => abort.abort() };

  async function read() {
    const headers = { accept: "text/event-stream", ...(jwt && { authorization: `Bearer ${jwt}` }) };
    const response = await fetch(url, { headers, signal: abort.signal, cache: "no-store" });
    if (!response.ok) return [4000 + response.status, await response.text()];
    let rest = "", isOpen = false;
    const decoder = new TextDecoder(), reader = response.body.getReader();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return [isOpen ? RESTART : LOST, "the stream ended"];
      events.heard();
      const parts = (rest + decoder.decode(value, { stream: true })).split("\n\n");
      rest = parts.pop();
      for (const part of parts) {
        const data = part.split("\n").filter((line) => line.startsWith("data:")).map((line) => line.slice(5).trimStart());
        if (!data.length) continue;
        if (!isOpen) events.opened();
        isOpen = true;
        events.text(data.join("\n"));
      }
    }
  }
}

/** Epoch seconds; NaN if the token has no end. */
function expiryOf(jwt) {
  try {
    return Number(JSON.parse(atob(jwt.split(".")[1].replace(/-/g, "+").replace(/_/g, "/"))).exp);
  } catch {
    return NaN;
  }
}
