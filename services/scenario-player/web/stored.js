// What is stored and played, scenarios or recordings: maps of a name -> {playback, updatedAt, …}.

// Applies a list of [name, value] that was requested at `requestedAt`. Playbacks that were changed since then are newer, and stay.
export function applyList(stored, list, requestedAt) {
  const updatedAt = performance.now();
  const listed = new Map(list);
  for (const name of stored.keys()) if (!listed.has(name)) stored.delete(name);
  for (const [name, value] of listed) {
    if (!(stored.get(name)?.updatedAt > requestedAt)) stored.set(name, { ...value, updatedAt });
  }
}

// Applies the answer to a change of a playback.
export function applyPlayback(stored, name, playback) {
  const known = stored.get(name);
  if (known) Object.assign(known, { playback, updatedAt: performance.now() });
}
