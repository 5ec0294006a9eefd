import type { Request, Response } from 'express';
import { openEventStream } from '../../../lib/http/sse.ts';
import type { Logger } from '../../../lib/log.ts';
import type { Clock } from '../../../lib/time.ts';
import { gatewayTransaction } from '../chain/gateway-shapes.ts';
import { createParser } from './event-parser.ts';
import { type TransactionView, toView } from './view.ts';

/** Shows the gateway's events of one transaction to the caller, each as the API's own view. */
export async function relayTransactionEvents(options: {
  source: { body: AsyncIterable<Uint8Array> & { destroy(error?: Error): unknown } };
  id: string;
  req: Request;
  res: Response;
  signal: AbortSignal;
  log: Logger;
  clock: Clock;
  maxMs: number;
}): Promise<void> {
  const { source, id, req, res, signal, log, clock, maxMs } = options;
  const out = openEventStream(req, res, { clock, maxMs });
  const parser = createParser((event) => {
    if (event.event !== 'state') return;
    const parsed = gatewayTransaction.safeParse(JSON.parse(event.data));
    if (parsed.success)
      out.send({ ...(event.id ? { id: event.id } : {}), event: 'state', data: toView(parsed.data) });
  });
  try {
    out.signal.addEventListener('abort', () => source.body.destroy());
    for await (const chunk of source.body) parser.push(chunk);
  } catch (err) {
    // The client reconnects with Last-Event-ID and misses nothing.
    if (!signal.aborted && !out.signal.aborted)
      log.info({ err, transaction: id }, 'the event stream of a transaction broke off');
  } finally {
    source.body.destroy();
    out.close();
  }
}

/** Sends the states of a transaction that a wallet signed, until the last one. */
export async function sendStates(options: {
  first: IteratorResult<{ id: string; view: TransactionView }>;
  states: AsyncGenerator<{ id: string; view: TransactionView }>;
  id: string;
  req: Request;
  res: Response;
  log: Logger;
  clock: Clock;
  maxMs: number;
}): Promise<void> {
  const { first, states, id, req, res, log, clock, maxMs } = options;
  const out = openEventStream(req, res, { clock, maxMs });
  out.signal.addEventListener('abort', () => void states.return(undefined));
  try {
    for (let next = first; !next.done; next = await states.next())
      if (!out.send({ id: next.value.id, event: 'state', data: next.value.view })) break;
  } catch (err) {
    if (!out.signal.aborted) log.info({ err, transaction: id }, 'the states of a transaction cannot be read');
  } finally {
    await states.return(undefined);
    out.close();
  }
}
