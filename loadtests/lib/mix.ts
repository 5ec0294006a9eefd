import { check } from 'k6';
import http, { type RefinedResponse, type ResponseType } from 'k6/http';
import { me, target } from './people.ts';
import { RATE } from './settings.ts';

type Answer = RefinedResponse<ResponseType | undefined>;

interface Visit {
  /** Share of all requests, in percent. */
  readonly share: number;
  readonly name: string;
  readonly service: 'api' | 'user';
  run(address: string, headers: Record<string, string>, tags: Record<string, string>): Answer;
  /** What makes the answer right, beyond its status. */
  readonly right: (answer: Answer) => boolean;
}

const get = (url: string, headers: Record<string, string>, tags: Record<string, string>): Answer =>
  http.get(url, { headers, tags });

/** What people do with the app, as shares of requests. */
const VISITS: readonly Visit[] = [
  {
    share: 35,
    name: 'balances',
    service: 'api',
    run: (address, headers, tags) => get(`${target.api}/v1/wallets/${address}/balances`, headers, tags),
    right: (answer) => answer.json('data.0.amount.raw') !== undefined,
  },
  {
    share: 25,
    name: 'transfers',
    service: 'api',
    run: (address, headers, tags) => get(`${target.api}/v1/wallets/${address}/transfers`, headers, tags),
    right: (answer) => answer.json('asOf.blockNumber') !== undefined,
  },
  {
    share: 10,
    name: 'wallets',
    service: 'api',
    run: (_address, headers, tags) => get(`${target.api}/v1/wallets`, headers, tags),
    right: (answer) => answer.json('data.0.address') !== undefined,
  },
  {
    share: 10,
    name: 'identity',
    service: 'api',
    run: (address, headers, tags) => get(`${target.api}/v1/identities/${address}`, headers, tags),
    right: (answer) => answer.json('asOf.blockNumber') !== undefined,
  },
  {
    share: 5,
    name: 'nfts',
    service: 'api',
    run: (address, headers, tags) => get(`${target.api}/v1/nfts?owner=${address}`, headers, tags),
    right: (answer) => answer.json('asOf.blockNumber') !== undefined,
  },
  {
    share: 10,
    name: 'inbox',
    service: 'user',
    run: (_address, headers, tags) => get(`${target.user}/v1/notifications`, headers, tags),
    right: (answer) => Array.isArray(answer.json('data')),
  },
  {
    share: 5,
    name: 'profile',
    service: 'user',
    run: (_address, headers, tags) => get(`${target.user}/v1/me`, headers, tags),
    right: (answer) => answer.status === 200,
  },
];

function choose(): Visit {
  let at = Math.random() * 100;
  for (const visit of VISITS) {
    at -= visit.share;
    if (at < 0) return visit;
  }
  return VISITS[0] as Visit;
}

/** One request of the mix, checked. */
export function visit(): void {
  if (RATE === 0) return;
  const chosen = choose();
  const { address, headers } = me();
  const answer = chosen.run(address, headers, { name: chosen.name, slo: chosen.service });
  check(
    answer,
    { [`${chosen.name} is right`]: (a) => a.status === 200 && chosen.right(a) },
    { slo: chosen.service },
  );
}
