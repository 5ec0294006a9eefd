import { SharedArray } from 'k6/data';
import exec from 'k6/execution';
import http from 'k6/http';

/** A signed-in person, made by tools/load before the run. */
export interface Person {
  readonly address: string;
  readonly accessToken: string;
  readonly refreshToken: string;
}

interface Target {
  readonly api: string;
  readonly user: string;
  readonly gateway: string;
  readonly chainId: number;
  /** Key of a client that may ask for transactions; empty when none was given. */
  readonly apiKey: string;
  /** Address of the token; empty when it is not known. */
  readonly token: string;
}

/** Where the platform is; from the environment, so that the same scripts run against any cluster. */
export const target: Target = {
  api: __ENV.API_URL ?? 'http://127.0.0.1:4100',
  user: __ENV.USER_URL ?? 'http://127.0.0.1:4200',
  gateway: __ENV.GATEWAY_URL ?? 'http://127.0.0.1:4000',
  chainId: Number(__ENV.CHAIN_ID ?? 31337),
  apiKey: __ENV.API_KEY ?? '',
  token: __ENV.TOKEN_ADDRESS ?? '',
};

const people = new SharedArray<Person>('people', () => JSON.parse(open(__ENV.PEOPLE_FILE ?? '')) as Person[]);

/** People whose streams tools/load holds open; transfers go to them. */
export const recipients = people.slice(0, Number(__ENV.RECIPIENTS ?? 10));

/** Access tokens live for five minutes; a new one is fetched well before, outside of the measured mix. */
const RENEW_AFTER_MS = 4 * 60_000;

let mine: { person: Person; accessToken: string; refreshToken: string; since: number } | undefined;

/** The person that this virtual user plays; refresh tokens rotate, so nobody else may play her. */
export function me(): { address: string; headers: Record<string, string> } {
  const now = Date.now();
  if (mine === undefined) {
    const person = people[(exec.vu.idInTest - 1) % people.length] as Person;
    mine = {
      person,
      accessToken: person.accessToken,
      refreshToken: person.refreshToken,
      since: exec.scenario.startTime,
    };
  }
  if (now - mine.since > RENEW_AFTER_MS) {
    const answer = http.post(
      `${target.user}/v1/auth/refresh`,
      JSON.stringify({ refreshToken: mine.refreshToken }),
      {
        headers: { 'content-type': 'application/json' },
        tags: { name: 'refresh', kind: 'setup' },
      },
    );
    if (answer.status === 200) {
      const body = answer.json() as { accessToken: string; refreshToken: string };
      mine = { ...mine, accessToken: body.accessToken, refreshToken: body.refreshToken, since: now };
    }
  }
  return { address: mine.person.address, headers: { authorization: `Bearer ${mine.accessToken}` } };
}
