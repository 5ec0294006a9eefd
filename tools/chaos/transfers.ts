import { setTimeout as sleep } from 'node:timers/promises';
import type { LoadPerson } from '../load/people.ts';
import type { LoadTarget } from '../load/run-load-test.ts';

/** A transfer that the platform accepted. */
export interface Transfer {
  readonly id: string;
  readonly to: LoadPerson;
  readonly askedAt: number;
  hash: string | undefined;
  /** The last state that was seen. */
  state: string;
  notified: boolean;
}

const EVERY_MS = 2_000;
const GIVE_UP_MS = 5_000;
const GOOD = ['included', 'confirmed', 'finalized'];
const BAD = ['rejected', 'failed', 'cancelled', 'replaced'];

/** Sends small transfers all the time; afterwards says what became of each one that was accepted. */
export function startTransfers(target: LoadTarget, people: readonly LoadPerson[]) {
  const stopping = new AbortController();
  const accepted: Transfer[] = [];
  let asked = 0;
  const headers = { 'content-type': 'application/json', authorization: `Bearer ${target.apiKey}` };
  const json = async (url: string, init: RequestInit = {}): Promise<Record<string, unknown> | undefined> => {
    try {
      const response = await fetch(url, { ...init, signal: AbortSignal.timeout(GIVE_UP_MS) });
      const body = (await response.json()) as Record<string, unknown>;
      return response.ok ? body : undefined;
    } catch {
      return undefined;
    }
  };

  const send = async (): Promise<void> => {
    const to = people[asked++ % people.length] as LoadPerson;
    const key = `chaos-${process.pid}-${asked}-${Date.now()}`;
    const body = await json(`${target.api}/v1/transactions`, {
      method: 'POST',
      headers: { ...headers, 'idempotency-key': key },
      body: JSON.stringify({
        signer: 'treasury',
        contract: 'RejuveToken',
        function: 'transfer',
        args: [to.address, '1'],
        purpose: 'chaos',
      }),
    });
    if (body === undefined) return;
    accepted.push({
      id: String(body.id),
      to,
      askedAt: performance.now(),
      hash: undefined,
      state: 'queued',
      notified: false,
    });
  };
  const running = (async () => {
    while (!stopping.signal.aborted) {
      await send();
      await sleep(EVERY_MS, undefined, { signal: stopping.signal }).catch(() => undefined);
    }
  })();

  /** One request for all transactions and one for each person who waits: a client's own limit is soon reached. */
  const look = async (open: readonly Transfer[]): Promise<void> => {
    const list = await json(`${target.api}/v1/transactions?limit=100`, { headers });
    for (const found of (list?.data ?? []) as { id: string; state: string; hash: string | null }[]) {
      const transfer = open.find(({ id }) => id === found.id);
      if (transfer === undefined) continue;
      transfer.state = found.state;
      transfer.hash = found.hash ?? undefined;
    }
    const waiting = open.filter(({ state, hash, notified }) => GOOD.includes(state) && hash && !notified);
    await Promise.all(
      [...new Set(waiting.map(({ to }) => to))].map(async (person) => {
        const inbox = await json(`${target.user}/v1/notifications?limit=100`, {
          headers: { authorization: `Bearer ${person.accessToken}` },
        });
        const text = JSON.stringify(inbox?.data ?? []);
        for (const transfer of waiting)
          if (transfer.to === person && text.includes(transfer.hash as string)) transfer.notified = true;
      }),
    );
  };

  return {
    accepted: accepted as readonly Transfer[],
    /** Sends so many at once. Resolves when each was answered. */
    burst: async (count: number): Promise<void> =>
      void (await Promise.all(Array.from({ length: count }, send))),
    /** Waits until all accepted since then are in a block and notified; answers what is not, after `withinMs`. */
    async settle(
      withinMs: number,
      since: number,
    ): Promise<{ lost: Transfer[]; unnotified: Transfer[]; ms: number }> {
      const from = performance.now();
      // Those before are the business of the fault before.
      const mine = accepted.filter(({ askedAt }) => askedAt >= since);
      const open = (): Transfer[] =>
        mine.filter((t) => !BAD.includes(t.state) && !(GOOD.includes(t.state) && t.notified));
      while (open().length > 0 && performance.now() - from < withinMs) {
        await look(open());
        if (open().length > 0) await sleep(1_000);
      }
      return {
        lost: mine.filter((t) => !GOOD.includes(t.state)),
        unnotified: mine.filter((t) => GOOD.includes(t.state) && !t.notified),
        ms: performance.now() - from,
      };
    },
    async stop(): Promise<void> {
      stopping.abort();
      await running;
    },
  };
}
