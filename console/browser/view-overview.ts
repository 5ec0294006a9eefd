import { lineChart, meter, sparkline } from './chart.ts';
import { type Child, h } from './dom.ts';
import { bytes, DASH, duration, milliseconds, number, percent } from './format.ts';
import { needs, panel, pill, type Tone } from './parts.ts';
import { data, type Topics } from './topics.ts';

interface Trouble {
  readonly tone: 'warn' | 'bad';
  readonly text: string;
  readonly href: string;
}

/** A transaction that waits this long is worth a look; the objective allows two minutes. */
export const STUCK_SECONDS = 60;

export const secondsSince = (iso: string): number => Math.max(0, (Date.now() - Date.parse(iso)) / 1_000);

/** Everything that somebody should look at, the worst first. */
export function troubles(): Trouble[] {
  const found: Trouble[] = [];
  const add = (tone: 'warn' | 'bad', text: string, href: string): void =>
    void found.push({ tone, text, href });
  for (const { name, state, why } of data('services') ?? [])
    if (state !== 'ready')
      add(
        'bad',
        `${name} is ${state === 'away' ? 'away' : 'not ready'}: ${why ?? 'no reason given'}`,
        '#/overview',
      );
  for (const { title, state } of data('slo') ?? []) {
    if (state === 'broken') add('bad', `Promise broken: ${title}`, '#/overview');
    if (state === 'at-risk') add('warn', `At risk: ${title}`, '#/overview');
  }
  for (const { id, usable, excluded, cordonedBy } of data('providers')?.providers ?? [])
    if (!usable)
      add(
        'warn',
        `Provider ${id} is out of traffic: ${cordonedBy ? `cordoned by ${cordonedBy}` : excluded}`,
        '#/providers',
      );
  const transactions = data('transactions');
  const stuck = (transactions?.open ?? []).filter(({ createdAt }) => secondsSince(createdAt) > STUCK_SECONDS);
  if (stuck.length > 0)
    add(
      'warn',
      `${stuck.length} transaction${stuck.length === 1 ? ' waits' : 's wait'} for more than a minute`,
      '#/transactions',
    );
  for (const { pool, paused } of transactions?.lanes ?? [])
    if (paused) add('bad', `A lane of ${pool} is paused: ${paused.reason}`, '#/transactions');
  const unrepaired = (transactions?.findings ?? []).filter(({ repaired }) => !repaired).length;
  if (unrepaired > 0)
    add(
      'warn',
      `${unrepaired} difference${unrepaired === 1 ? '' : 's'} between database and chain`,
      '#/transactions',
    );
  const dead = data('deliveries')?.data.length ?? 0;
  if (dead > 0)
    add('warn', `${dead} notification${dead === 1 ? ' was' : 's were'} given up`, '#/notifications');
  return found.sort((a, b) => Number(b.tone === 'bad') - Number(a.tone === 'bad'));
}

function verdict(): Child {
  const found = troubles();
  const services = data('services');
  if (services === undefined || services.length === 0)
    return h('p', { class: 'verdict plain' }, 'Reading the first figures …');
  const tone = found.some((one) => one.tone === 'bad') ? 'bad' : found.length > 0 ? 'warn' : 'good';
  const title = { bad: 'Something is broken', warn: 'Worth a look', good: 'All is well' }[tone];
  const ready = services.filter(({ state }) => state === 'ready').length;
  return h(
    'section',
    { class: `verdict ${tone}`, 'aria-labelledby': 'verdict', 'data-key': 'verdict' },
    h(
      'div',
      {},
      h('h1', { id: 'verdict' }, title),
      h('p', {}, `${ready} of ${services.length} processes are ready.`),
    ),
    found.length === 0
      ? null
      : h(
          'ul',
          {},
          found.map(({ tone: one, text, href }) =>
            h(
              'li',
              { 'data-key': text },
              h('a', { href }, pill(one, one === 'bad' ? 'act' : 'look'), ' ', text),
            ),
          ),
        ),
  );
}

const STATE: Record<Topics['services'][number]['state'], readonly [Tone, string]> = {
  ready: ['good', 'ready'],
  'not-ready': ['warn', 'not ready'],
  away: ['bad', 'away'],
};

function serviceCard(service: Topics['services'][number]): Element {
  const { name, state, why, parts, upSeconds, eventLoopLagMs, points } = service;
  const now = points.at(-1);
  const [tone, word] = STATE[state];
  const fact = (label: string, value: string): Element =>
    h('div', {}, h('dt', {}, label), h('dd', {}, value));
  return h(
    'article',
    { class: 'card', 'data-key': name },
    h('div', { class: 'card-head' }, h('h3', {}, name), pill(tone, word)),
    why === null ? null : h('p', { class: 'why' }, why),
    sparkline(
      points.map(({ requestsPerSecond }) => requestsPerSecond),
      `${name}: ${number(now?.requestsPerSecond)} requests per second now`,
    ),
    h(
      'dl',
      { class: 'facts' },
      fact('requests/s', number(now?.requestsPerSecond)),
      fact('p99', milliseconds(now?.p99Ms)),
      fact('errors/s', number(now?.errorsPerSecond)),
      fact('CPU', now?.cpu === null || now?.cpu === undefined ? DASH : percent(now.cpu, 0)),
      fact('memory', bytes(now?.memoryBytes)),
      fact('up', duration(upSeconds)),
    ),
    h(
      'details',
      {},
      h('summary', {}, 'Dependencies'),
      h(
        'ul',
        { class: 'plain' },
        parts.map((part) =>
          h(
            'li',
            { 'data-key': part.name },
            pill(part.ok ? 'good' : 'bad', part.name),
            part.detail ? ` ${part.detail}` : '',
          ),
        ),
        h('li', { class: 'muted' }, `event loop lag p99 ${milliseconds(eventLoopLagMs)}`),
      ),
    ),
  );
}

const SLO_STATE: Record<Topics['slo'][number]['state'], readonly [Tone, string]> = {
  kept: ['good', 'kept'],
  'at-risk': ['warn', 'at risk'],
  broken: ['bad', 'broken'],
  'no-data': ['plain', 'no data'],
};

const budgetText = (left: number): string =>
  left < 0
    ? `budget overspent, ${number(1 - left)} times its size`
    : `${percent(left, 0)} of the budget left`;

function sloRow(slo: Topics['slo'][number], grafana: string | null): Element {
  const [tone, word] = SLO_STATE[slo.state];
  const figure =
    slo.now !== null
      ? `${number(slo.now.value)} ${slo.now.unit}, at most ${number(slo.now.atMost)}`
      : slo.good === null
        ? slo.target === null
          ? 'not measured yet'
          : 'no events yet'
        : `${percent(slo.good, 3)} of ${slo.events === null ? 'all' : number(slo.events)} good, promised ${percent(slo.target, 2)}`;
  return h(
    'li',
    { class: 'slo', 'data-key': slo.id },
    h(
      'div',
      { class: 'slo-title' },
      h('h3', {}, slo.title),
      slo.promise === null ? null : h('span', { class: 'promise' }, `promise ${slo.promise}`),
      pill(tone, word),
    ),
    slo.budgetLeft === null
      ? h('p', { class: 'slo-figure' }, figure)
      : [
          meter(slo.budgetLeft, budgetText(slo.budgetLeft), tone),
          h(
            'p',
            { class: 'slo-figure' },
            h('b', {}, budgetText(slo.budgetLeft)),
            ` · ${figure} · burns ${slo.burnRate === null ? DASH : `${number(slo.burnRate)}×`} · ${slo.over}`,
          ),
        ],
    h(
      'details',
      {},
      h('summary', {}, 'What it means'),
      h('p', {}, slo.description),
      h('p', {}, 'Runbook: ', h('code', {}, `docs/runbooks/${slo.runbook}.md`)),
      grafana === null
        ? null
        : h('p', {}, h('a', { href: `${grafana}/d/slo-overview?var-slo=${slo.id}` }, 'Open in Grafana')),
    ),
  );
}

export function overview(): Child {
  const grafana = data('links')?.grafana ?? null;
  return [
    verdict(),
    panel(
      'Promises',
      { id: 'promises' },
      needs('slo', data('slo'), (slos) =>
        h(
          'ul',
          { class: 'slos' },
          slos.map((slo) => sloRow(slo, grafana)),
        ),
      ),
    ),
    panel(
      'Processes',
      { id: 'processes' },
      needs('services', data('services'), (services) =>
        h('div', { class: 'cards' }, services.map(serviceCard)),
      ),
    ),
    panel(
      'What flows',
      { id: 'flows' },
      needs('flows', data('flows'), (flows) =>
        h(
          'div',
          { class: 'charts' },
          lineChart({
            title: 'Calls of the chain by method',
            unit: 'per second',
            ...flows.calls,
            hint: 'What clients and our own services ask of the gateway.',
          }),
          lineChart({
            title: 'Answered without a provider',
            unit: '% of calls',
            ...flows.cache,
            atLeast: 100,
            hint: 'Cache, coalescing and local answers; every call here costs nothing.',
          }),
          lineChart({
            title: 'Attempts by provider',
            unit: 'per second',
            ...flows.upstream,
            hint: 'One line going flat while others rise: a provider is out of traffic.',
          }),
          lineChart({
            title: 'Transactions on their way',
            unit: 'by state',
            ...flows.transactions,
            hint: 'Good is a low, level line; one that climbs has lost its worker or its provider.',
          }),
          lineChart({
            title: 'Behind the chain',
            unit: 'blocks and events',
            ...flows.indexer,
            hint: 'Good is below five blocks and near zero events.',
          }),
          lineChart({
            title: 'Notifications',
            unit: 'per second',
            ...flows.notifications,
            hint: 'Deliveries follow inboxes within seconds.',
          }),
        ),
      ),
    ),
  ];
}
