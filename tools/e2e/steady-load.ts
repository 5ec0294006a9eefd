import { hmac } from 'k6/crypto';
import http, { type RefinedResponse, type ResponseType } from 'k6/http';

/**
 * Run by k6: requests of every service at a steady rate, until it is told to stop. Every answer that is not right is
 * printed with the second in which it came; nothing is repeated, so one lost request is seen.
 */
declare const __ENV: Record<string, string>;

const { API_URL, USER_URL, GATEWAY_URL, API_KEY, CHAIN_ID, RATE, SUMMARY_FILE } = __ENV;

export const options = {
  scenarios: {
    steady: {
      executor: 'constant-arrival-rate',
      rate: Number(RATE),
      timeUnit: '1s',
      // Ended by a signal when the check is over.
      duration: '30m',
      gracefulStop: '15s',
      preAllocatedVUs: 100,
      maxVUs: 200,
    },
  },
  summaryTrendStats: ['med', 'p(95)', 'p(99)', 'max'],
};

type Answer = RefinedResponse<ResponseType | undefined>;

const randomAddress = (): string => `0x${hmac('sha256', 'load', `${Math.random()}`, 'hex').slice(0, 40)}`;

const KINDS: readonly { name: string; ask: () => Answer; right: (answer: Answer) => boolean }[] = [
  {
    name: 'api',
    ask: () =>
      http.get(`${API_URL}/v1/tokens`, {
        headers: { authorization: `Bearer ${API_KEY}` },
        tags: { name: 'api' },
      }),
    right: (answer) => Array.isArray(answer.json('data')),
  },
  {
    name: 'gateway',
    ask: () =>
      http.post(
        `${GATEWAY_URL}/rpc/${CHAIN_ID}`,
        JSON.stringify({
          jsonrpc: '2.0',
          id: 1,
          method: 'eth_getBalance',
          params: [randomAddress(), 'latest'],
        }),
        { headers: { 'content-type': 'application/json' }, tags: { name: 'gateway' } },
      ),
    right: (answer) => answer.json('result') === '0x0',
  },
  {
    name: 'user',
    ask: () => http.get(`${USER_URL}/.well-known/jwks.json`, { tags: { name: 'user' } }),
    right: (answer) => Array.isArray(answer.json('keys')),
  },
];

let turn = Math.floor(Math.random() * KINDS.length);

// biome-ignore lint/style/noDefaultExport: k6 looks for a default export here
export default function steady(): void {
  turn += 1;
  const kind = KINDS[turn % KINDS.length] as (typeof KINDS)[number];
  const answer = kind.ask();
  let right = answer.status === 200;
  if (right) {
    try {
      right = kind.right(answer);
    } catch {
      // Not JSON: not right.
      right = false;
    }
  }
  if (!right)
    console.error(
      `WRONG ${new Date().toISOString().slice(11, 23)} ${kind.name} ${answer.status} ${answer.error || String(answer.body).slice(0, 160)}`,
    );
}

export const handleSummary = (data: unknown): Record<string, string> => ({
  [SUMMARY_FILE as string]: JSON.stringify(data),
});
