import { setTimeout } from 'node:timers/promises';
import { Wallet } from 'ethers';

export interface LoadPerson {
  readonly address: string;
  readonly accessToken: string;
  readonly refreshToken: string;
}

/** The sign-in limit counts per address, and all these people sit at one: wait as long as the service asks, then go on. */
const MAX_WAIT_S = 90;

async function post(url: string, body: unknown): Promise<Record<string, unknown>> {
  for (let waited = 0; ; ) {
    const response = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(10_000),
    });
    const answer = (await response.json()) as Record<string, unknown>;
    if (response.ok) return answer;
    const wait = Number(response.headers.get('retry-after') ?? 0);
    if (response.status !== 429 || wait <= 0 || waited + wait > MAX_WAIT_S) {
      throw new Error(`POST ${url} answered ${response.status}: ${JSON.stringify(answer)}`);
    }
    await setTimeout(wait * 1000);
    waited += wait;
  }
}

/** Signs a new person in, as the app does; k6 cannot sign with an Ethereum key. */
async function signIn(userUrl: string): Promise<LoadPerson> {
  const wallet = Wallet.createRandom();
  const challenge = await post(`${userUrl}/v1/auth/nonce`, { address: wallet.address });
  const message = String(challenge.message);
  const answer = await post(`${userUrl}/v1/auth/siwe`, {
    message,
    signature: await wallet.signMessage(message),
  });
  return {
    address: wallet.address,
    accessToken: String(answer.accessToken),
    refreshToken: String(answer.refreshToken),
  };
}

const AT_ONCE = 8;

/** Signs `count` new people in, a few at a time. */
export async function signInMany(
  userUrl: string,
  count: number,
  onProgress: (done: number) => void,
): Promise<LoadPerson[]> {
  const people: LoadPerson[] = [];
  const worker = async (): Promise<void> => {
    while (people.length < count) {
      people.push(await signIn(userUrl));
      onProgress(people.length);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  return people.slice(0, count);
}
