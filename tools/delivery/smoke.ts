import { setTimeout as sleep } from 'node:timers/promises';
import { Wallet } from 'ethers';
import { z } from 'zod';

/**
 * What `helm test` runs inside the cluster, against the Services: somebody signs in and links a wallet; with
 * ON_CHAIN_STORY she also receives tokens of the development treasury and must be told so; at the end the metrics must
 * show it. Settings: GATEWAY_URL, API_URL, USER_URL, CONSOLE_URL (those that run), CHAIN_ID, API_KEY.
 */
const TRANSFER_MS = 60_000;
const READY_MS = 60_000;
const AMOUNT = '25000000';

const environment = z.object({
  GATEWAY_URL: z.url().optional(),
  API_URL: z.url().optional(),
  USER_URL: z.url().optional(),
  CONSOLE_URL: z.url().optional(),
  CHAIN_ID: z.coerce.number().int(),
  ON_CHAIN_STORY: z.stringbool().default(false),
  API_KEY: z.string().optional(),
});
type Settings = z.output<typeof environment>;

/** Something is not as promised; the message says what was expected and what came. */
class SmokeFailure extends Error {}

// biome-ignore lint/suspicious/noExplicitAny: answers of many shapes, of which single fields are compared
type Json = any;

async function call(
  method: string,
  url: string,
  options: { token?: string | undefined; body?: unknown; key?: string; expect?: number[] } = {},
): Promise<Json> {
  const response = await fetch(url, {
    method,
    headers: {
      accept: 'application/json',
      ...(options.body === undefined ? {} : { 'content-type': 'application/json' }),
      ...(options.token === undefined ? {} : { authorization: `Bearer ${options.token}` }),
      ...(options.key === undefined ? {} : { 'idempotency-key': options.key }),
    },
    ...(options.body === undefined ? {} : { body: JSON.stringify(options.body) }),
    signal: AbortSignal.timeout(10_000),
  });
  const text = await response.text();
  const expected = options.expect ?? [200, 201, 202, 204];
  if (!expected.includes(response.status))
    throw new SmokeFailure(
      `${method} ${url} was answered with ${response.status}, not ${expected.join(' or ')}: ${text.slice(0, 400)}`,
    );
  return /json/.test(response.headers.get('content-type') ?? '') ? JSON.parse(text) : text;
}

/** Asks until there is an answer; fails with the last reason. */
async function eventually<T>(withinMs: number, ask: () => Promise<T | undefined>, what: string): Promise<T> {
  const deadline = performance.now() + withinMs;
  let reason = 'nothing';
  while (performance.now() < deadline) {
    try {
      const answer = await ask();
      if (answer !== undefined) return answer;
    } catch (error) {
      reason = (error as Error).message;
    }
    await sleep(500);
  }
  throw new SmokeFailure(`${what} did not happen within ${withinMs / 1000} s; last seen: ${reason}`);
}

async function ready(settings: Settings): Promise<string> {
  const urls = Object.entries(settings).flatMap(([name, url]) =>
    name.endsWith('_URL') && typeof url === 'string' ? [url] : [],
  );
  await Promise.all(
    urls.map((url) => eventually(READY_MS, () => call('GET', `${url}/readyz`), `${url} becoming ready`)),
  );
  return `${urls.length} services are ready`;
}

/** EIP-4361, as the user service asks for it. */
async function signIn(
  user: string,
  wallet: { address: string; signMessage(text: string): Promise<string> },
  chainId: number,
) {
  const challenge = await call('POST', `${user}/v1/auth/nonce`, { body: {} });
  const message = [
    `${challenge.domain} wants you to sign in with your Ethereum account:`,
    wallet.address,
    '',
    'Sign in to prove that this installation works.',
    '',
    `URI: ${challenge.uri}`,
    'Version: 1',
    `Chain ID: ${chainId}`,
    `Nonce: ${challenge.nonce}`,
    `Issued At: ${new Date().toISOString()}`,
  ].join('\n');
  const signature = await wallet.signMessage(message);
  const session = await call('POST', `${user}/v1/auth/siwe`, { body: { message, signature } });
  return session.accessToken as string;
}

async function linkWallet(api: string, token: string): Promise<string> {
  const second = Wallet.createRandom();
  const challenge = await call('POST', `${api}/v1/wallets/challenge`, {
    token,
    body: { address: second.address },
  });
  await call('POST', `${api}/v1/wallets`, {
    token,
    key: crypto.randomUUID(),
    body: { message: challenge.message, signature: await second.signMessage(challenge.message) },
  });
  const { data } = await call('GET', `${api}/v1/wallets`, { token });
  const addresses = data.map((row: { address: string }) => row.address);
  if (!addresses.includes(second.address))
    throw new SmokeFailure(`her wallets are ${addresses.join(', ')}, without ${second.address}`);
  return second.address;
}

async function receive(
  settings: Settings & { API_URL: string; USER_URL: string },
  to: string,
  token: string,
) {
  const { API_URL: api, USER_URL: user, API_KEY: apiKey } = settings;
  const { id } = await call('POST', `${api}/v1/transactions`, {
    token: apiKey,
    key: crypto.randomUUID(),
    body: {
      signer: 'treasury',
      contract: 'RejuveToken',
      function: 'transfer',
      args: [to, AMOUNT],
      purpose: 'helm test',
    },
  });
  const hash = await eventually(
    TRANSFER_MS,
    async () => {
      const transaction = await call('GET', `${api}/v1/transactions/${id}`, { token: apiKey });
      if (['confirmed', 'finalized'].includes(transaction.state)) return transaction.hash as string;
      if (['rejected', 'failed', 'cancelled'].includes(transaction.state))
        throw new SmokeFailure(
          `transaction ${id} is ${transaction.state}: ${JSON.stringify(transaction.error)}`,
        );
      throw new Error(`transaction ${id} is ${transaction.state}`);
    },
    'the confirmation of the transfer',
  );
  await eventually(
    TRANSFER_MS,
    async () => {
      const { data } = await call('GET', `${user}/v1/notifications`, { token });
      return data.find((row: Json) => row.data?.transactionHash === hash) ?? undefined;
    },
    `a notification of ${hash}`,
  );
  return `25 RJV were sent in ${hash}, and she was told`;
}

async function metrics(settings: Settings): Promise<string> {
  const seen: string[] = [];
  for (const [name, url] of Object.entries(settings)) {
    if (!name.endsWith('_URL') || typeof url !== 'string') continue;
    const text = String(await call('GET', `${url}/metrics`));
    const requests = [...text.matchAll(/^http_request_duration_seconds_count\{[^}]*\} (\d+)/gm)];
    const sum = requests.reduce((total, [, value]) => total + Number(value), 0);
    if (sum === 0) throw new SmokeFailure(`${url}/metrics counts no request at all`);
    seen.push(`${name.replace('_URL', '').toLowerCase()} counts ${sum} requests`);
  }
  return seen.join(', ');
}

async function main(): Promise<number> {
  const settings = environment.parse(process.env);
  const { API_URL, USER_URL } = settings;
  const step = async (name: string, run: () => Promise<string>): Promise<void> => {
    const from = performance.now();
    const did = await run();
    console.log(
      `ok    ${name.padEnd(10)} ${((performance.now() - from) / 1000).toFixed(1).padStart(5)} s  ${did}`,
    );
  };
  try {
    await step('ready', () => ready(settings));
    if (USER_URL !== undefined) {
      const wallet = Wallet.createRandom();
      let token = '';
      await step('sign-in', async () => {
        token = await signIn(USER_URL, wallet, settings.CHAIN_ID);
        const me = await call('GET', `${USER_URL}/v1/me`, { token });
        return `${wallet.address} is person ${me.id}`;
      });
      if (API_URL !== undefined) {
        await step('wallet', async () => `${await linkWallet(API_URL, token)} is linked`);
        if (settings.ON_CHAIN_STORY)
          await step('transfer', () => receive({ ...settings, API_URL, USER_URL }, wallet.address, token));
      }
    }
    await step('metrics', () => metrics(settings));
    return 0;
  } catch (error) {
    console.error(`FAILED ${(error as Error).message}`);
    return 1;
  }
}

process.exitCode = await main();
