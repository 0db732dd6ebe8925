export type State = "connecting" | "open" | "waiting" | "closed";

export interface StateDetails {
  /** With "open": what carries the frames. */
  transport?: "websocket" | "sse";
  /** With "waiting" and "closed": the close code; 4400 to 4599 are also HTTP statuses plus 4000. */
  code?: number;
  reason?: string;
  /** With "waiting": milliseconds until the next attempt. */
  delay?: number;
}

export interface ConnectionOptions {
  /** A JWT, or a function that gets a new one: it is called at each attempt, and before the end of the one in use. */
  token?: string | (() => string | Promise<string>);
  /** Milliseconds without a frame after which a connection counts as lost: more than twice the service's ping interval. 75,000. */
  silence?: number;
  onState?: (state: State, details: StateDetails) => void;
  /** In place of the global one: node before 22 has none (`import { WebSocket } from "ws"`). */
  WebSocket?: unknown;
  fetch?: typeof fetch;
}

export interface SubscribeOptions extends ConnectionOptions {
  run: string;
  /** One channel, or up to 32. */
  channels: string | string[];
  /** How many earlier lines to begin with. 0. */
  history?: number;
  onLine?: (text: string, line: { channel: string; id: string }) => void;
  /** Lines of this channel may be missing here. */
  onGap?: (gap: { channel: string }) => void;
}

export interface Checklist {
  checklist: Record<string, boolean>;
  lock_statuses: Record<string, boolean>;
  /** Epoch seconds. */
  last_modified?: number;
}

export interface ChecklistOptions extends ConnectionOptions {
  run?: string;
  /** In place of `run`: several on one socket. */
  runs?: string[];
  onChecklist?: (checklist: Checklist, about: { run: string }) => void;
  /** A run of several that cannot be watched, or no longer. The others go on. */
  onRefused?: (refusal: { run: string; code: number; reason: string }) => void;
}

export interface Connection {
  close(): void;
  readonly state: State;
}

/** `url` is that of status-proxy, of any of the schemes http, https, ws, wss. */
export function subscribe(url: string, options: SubscribeOptions): Connection;
/** `url` is that of preflight. */
export function watchChecklist(url: string, options: ChecklistOptions): Connection;
