import { check, sleep } from 'k6';
import exec from 'k6/execution';
import http from 'k6/http';
import { Counter, Rate, Trend } from 'k6/metrics';
import { recipients, target } from './people.ts';

const decided = new Counter('transactions_decided');
const succeeded = new Rate('transactions_succeeded');
const expected = new Counter('notifications_expected');
const notified = new Rate('notified');
const delay = new Trend('notification_delay', true);

const GOOD = ['included', 'confirmed', 'finalized'];
const BAD = ['rejected', 'failed', 'cancelled', 'replaced'];
/** Polls until it is in a block: two blocks are usual, this is for a chain that is in trouble. */
const INCLUDED_WITHIN_S = 60;
const POLL_S = 0.5;
/** The promise is five seconds; what comes later is late, what never comes is lost. */
const NOTIFIED_WITHIN_MS = 15_000;

const headers = {
  'content-type': 'application/json',
  authorization: `Bearer ${target.apiKey}`,
};

/** Asks the platform to send a token to a person, and follows the transaction into its block. */
function send(to: string): string | undefined {
  const asked = http.post(
    `${target.api}/v1/transactions`,
    JSON.stringify({
      signer: 'treasury',
      contract: 'RejuveToken',
      function: 'transfer',
      args: [to, '1'],
      purpose: 'load test',
    }),
    {
      headers: {
        ...headers,
        'idempotency-key': `load-${__ENV.RUN_ID ?? ''}-${exec.scenario.name}-${exec.scenario.iterationInTest}`,
      },
      tags: { name: 'transfer', slo: 'api' },
    },
  );
  check(asked, { 'transfer is accepted': (answer) => answer.status === 202 }, { slo: 'api' });
  decided.add(1);
  if (asked.status !== 202) {
    succeeded.add(false);
    return undefined;
  }
  const id = asked.json('id') as string;
  for (let waited = 0; waited < INCLUDED_WITHIN_S; waited += POLL_S) {
    sleep(POLL_S);
    const answer = http.get(`${target.api}/v1/transactions/${id}`, {
      headers,
      tags: { name: 'transaction', slo: 'api' },
    });
    const state = answer.status === 200 ? (answer.json('state') as string) : '';
    if (GOOD.includes(state)) {
      succeeded.add(true);
      return answer.json('hash') as string;
    }
    if (BAD.includes(state)) break;
  }
  succeeded.add(false);
  return undefined;
}

const someone = () =>
  recipients[exec.scenario.iterationInTest % recipients.length] as (typeof recipients)[number];

/** A transaction, from the request to its block. */
export function transact(): void {
  send(someone().address);
}

/**
 * A transaction, and the notification of it on the recipient's open stream. The streams are held by tools/load, since
 * k6 cannot read one; it tells here when an event came, by the block's time.
 */
export function transactAndHear(): void {
  const { address } = someone();
  const hash = send(address);
  if (hash === undefined) return;
  expected.add(1);
  const answer = http.get(
    `${__ENV.STREAMS_URL}/arrived?address=${address}&hash=${hash}&withinMs=${NOTIFIED_WITHIN_MS}`,
    { tags: { name: 'stream', kind: 'setup' }, timeout: `${NOTIFIED_WITHIN_MS + 5_000}ms` },
  );
  const arrived = answer.status === 200;
  notified.add(arrived);
  if (arrived) delay.add(answer.json('delayMs') as number);
}
