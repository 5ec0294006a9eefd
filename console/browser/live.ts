/** What one part of the page shows, and since when. */
export interface TopicState {
  readonly at: string;
  readonly data?: unknown;
  readonly error?: string;
}

type Listener = () => void;

const states = new Map<string, TopicState>();
const listeners = new Set<Listener>();
let source: EventSource | undefined;
let connected = false;

export const isConnected = (): boolean => connected;
export const topic = (name: string): TopicState | undefined => states.get(name);
/** The last good data: a part that fails for a moment goes on showing what it knew, with the error above it. */
export const dataOf = <T>(name: string): T | undefined => states.get(name)?.data as T | undefined;

export function onChange(listener: Listener): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

let pending = false;
/** Several topics often come together: the page is drawn once for them. */
function changed(): void {
  if (pending) return;
  pending = true;
  requestAnimationFrame(() => {
    pending = false;
    for (const listener of listeners) listener();
  });
}

export function connect(onSignedOut: () => void): void {
  source?.close();
  source = new EventSource('/api/live');
  source.addEventListener('open', () => {
    connected = true;
    changed();
  });
  source.addEventListener('error', () => {
    connected = false;
    changed();
    // A refused reconnect is final for the browser: the session is over, or the server is being replaced.
    if (source?.readyState === EventSource.CLOSED) setTimeout(() => connect(onSignedOut), 3_000);
  });
  source.addEventListener('topic', (event) => {
    const { topic: name, ...state } = JSON.parse((event as MessageEvent<string>).data) as TopicState & {
      topic: string;
    };
    const before = states.get(name);
    states.set(name, state.error === undefined ? state : { ...state, data: before?.data });
    changed();
  });
  source.addEventListener('signed-out', onSignedOut);
}

export function disconnect(): void {
  source?.close();
  source = undefined;
  connected = false;
  states.clear();
}
