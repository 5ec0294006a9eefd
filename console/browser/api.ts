import { clicked } from './telemetry.ts';

export interface Session {
  readonly operator: string;
  readonly role: 'viewer' | 'operator';
  readonly csrf: string;
  readonly expiresAt: string;
}

/** An answer that says no, in the server's own words. */
export class Problem extends Error {
  readonly status: number;
  readonly code: string;
  readonly requestId: string;
  constructor(status: number, body: { detail?: string; code?: string; requestId?: string }) {
    super(body.detail ?? `The server answered ${status}.`);
    this.name = 'Problem';
    this.status = status;
    this.code = body.code ?? '';
    this.requestId = body.requestId ?? '';
  }
}

let session: Session | undefined;

export const currentSession = (): Session | undefined => session;
export const mayOperate = (): boolean => session?.role === 'operator';

async function call<T>(
  method: string,
  path: string,
  headers: Record<string, string>,
  body?: unknown,
): Promise<T> {
  const answer = await fetch(path, {
    method,
    credentials: 'same-origin',
    headers: {
      accept: 'application/json',
      ...headers,
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...(method === 'GET' || session === undefined ? {} : { 'x-csrf-token': session.csrf }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await answer.text();
  const parsed = text === '' ? undefined : (JSON.parse(text) as unknown);
  if (!answer.ok) throw new Problem(answer.status, (parsed ?? {}) as { detail?: string });
  return parsed as T;
}

export const get = <T>(path: string): Promise<T> => call<T>('GET', path, {});

/** Something that a person asked for by a click; `name` names the span. */
export const act = <T>(name: string, method: string, path: string, body?: unknown): Promise<T> =>
  clicked(name, (headers) => call<T>(method, path, headers, body));

/** @returns undefined when nobody is signed in */
export async function restoreSession(): Promise<Session | undefined> {
  try {
    session = await get<Session>('/api/session');
  } catch (error) {
    if (!(error instanceof Problem) || error.status !== 401) throw error;
    session = undefined;
  }
  return session;
}

export async function signIn(name: string, password: string): Promise<Session> {
  session = await act<Session>('sign in', 'POST', '/api/session', { name, password });
  return session;
}

export async function signOut(): Promise<void> {
  await act('sign out', 'DELETE', '/api/session');
  session = undefined;
}
