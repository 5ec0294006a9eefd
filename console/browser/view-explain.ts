import { get, Problem } from './api.ts';
import { type Child, h, render } from './dom.ts';
import { clock, DASH, milliseconds, number, shortHash } from './format.ts';
import { pill, table } from './parts.ts';

interface Explanation {
  readonly request?: {
    requestId: string;
    principal: string;
    at: string;
    calls: {
      method: string;
      outcome: string | null;
      ms: number | null;
      events: { ms: number; stage: string; detail?: Record<string, unknown> }[];
    }[];
  };
  readonly transaction?: {
    id: string;
    state: string;
    outcome: string | null;
    hash: string | null;
    nonce: number | null;
    waitingReason: string | null;
    error: { code: string; message: string } | null;
    signer: { alias: string };
    contract: string | null;
    function: string | null;
    confirmations: number;
    purpose: string | null;
  };
  readonly timeline?: {
    entries: { at: string; action: string; actor: string; details: Record<string, unknown> }[];
    attempts: {
      nonce: number;
      number: number;
      kind: string;
      hash: string;
      maxFeePerGas: string;
      signedAt: string;
      broadcasts: number;
      accepted: boolean;
      lastError: string | null;
    }[];
  };
  readonly deliveries?: {
    id: string;
    channel: string;
    kind: string;
    state: string;
    attempts: number;
    reason: string | null;
    createdAt: string;
  }[];
}

const facts = (detail: Record<string, unknown> | undefined): string =>
  Object.entries(detail ?? {})
    .map(([name, value]) => `${name} ${typeof value === 'object' ? JSON.stringify(value) : String(value)}`)
    .join(' · ');

/** The stages of a call on one time axis: where the time went is seen before it is read. */
function waterfall(call: NonNullable<Explanation['request']>['calls'][number]): Element {
  const whole = Math.max(call.ms ?? 0, ...call.events.map(({ ms }) => ms), 0.001);
  return h(
    'ol',
    { class: 'waterfall' },
    call.events.map(({ ms, stage, detail }, index) => {
      const next = call.events[index + 1]?.ms ?? whole;
      const from = (ms / whole) * 100;
      const width = Math.max(0.6, ((next - ms) / whole) * 100);
      return h(
        'li',
        {},
        h('span', { class: 'stage' }, stage),
        h(
          'svg',
          {
            viewBox: '0 0 100 10',
            preserveAspectRatio: 'none',
            role: 'img',
            'aria-label': `from ${milliseconds(ms)} for ${milliseconds(next - ms)}`,
          },
          h('rect', { class: 'track', x: 0, y: 0, width: 100, height: 10 }),
          h('rect', {
            class: 'fill',
            x: Math.min(99.4, from).toFixed(2),
            y: 0,
            width: Math.min(width, 100 - Math.min(99.4, from)).toFixed(2),
            height: 10,
          }),
        ),
        h('span', { class: 'when' }, milliseconds(ms)),
        h('span', { class: 'muted detail' }, facts(detail)),
      );
    }),
  );
}

function requestPart({ requestId, principal, at, calls }: NonNullable<Explanation['request']>): Element {
  return h(
    'section',
    { class: 'panel' },
    h('h2', {}, 'Request ', h('code', {}, requestId)),
    h('p', { class: 'muted' }, `asked by ${principal} at ${clock(at)}`),
    calls.map((call) =>
      h(
        'article',
        { class: 'card' },
        h(
          'div',
          { class: 'card-head' },
          h('h3', { class: 'mono' }, call.method),
          pill(call.outcome?.startsWith('error') ? 'bad' : 'good', call.outcome ?? 'still running'),
          h('b', {}, call.ms === null ? DASH : milliseconds(call.ms)),
        ),
        call.events.length === 0
          ? h('p', { class: 'muted' }, 'Answered without any stage worth noting.')
          : waterfall(call),
      ),
    ),
  );
}

function transactionPart({ transaction, timeline }: Explanation): Child {
  if (transaction === undefined) return null;
  const { id, state, outcome, signer, nonce, hash, error, waitingReason, confirmations } = transaction;
  const fact = (label: string, value: Child): Element => h('div', {}, h('dt', {}, label), h('dd', {}, value));
  const tone =
    error !== null || outcome === 'reverted'
      ? 'bad'
      : ['confirmed', 'finalized'].includes(state)
        ? 'good'
        : 'plain';
  return h(
    'section',
    { class: 'panel' },
    h('h2', {}, 'Transaction ', h('code', {}, shortHash(id)), ' ', pill(tone, state)),
    error === null ? null : h('p', { class: 'why' }, `${error.code}: ${error.message}`),
    waitingReason === null ? null : h('p', { class: 'why' }, `It waits: ${waitingReason}`),
    h(
      'dl',
      { class: 'facts' },
      fact(
        'what',
        transaction.contract === null ? 'raw call' : `${transaction.contract}.${transaction.function}`,
      ),
      fact('signer', `${signer.alias}${nonce === null ? '' : `, nonce ${nonce}`}`),
      fact('hash', h('span', { class: 'mono' }, shortHash(hash))),
      fact('confirmations', number(confirmations)),
      fact('outcome', outcome ?? 'open'),
      fact('purpose', transaction.purpose ?? DASH),
    ),
    timeline === undefined
      ? null
      : [
          h('h3', {}, 'What happened'),
          h(
            'ol',
            { class: 'timeline' },
            timeline.entries.map(({ at, action, actor, details }) =>
              h(
                'li',
                {},
                h('time', { datetime: at }, clock(at)),
                h('b', {}, action),
                h('span', { class: 'muted' }, ` by ${actor} `),
                h('span', { class: 'detail' }, facts(details)),
              ),
            ),
          ),
          h('h3', {}, 'Signed forms'),
          table(
            'Attempts',
            timeline.attempts,
            ({ hash: one }) => one,
            [
              { name: 'Attempt', cell: (a) => `${a.number}, nonce ${a.nonce}` },
              { name: 'Kind', cell: (a) => a.kind },
              { name: 'Signed', cell: (a) => clock(a.signedAt) },
              { name: 'Max fee', align: 'end', cell: (a) => `${number(Number(a.maxFeePerGas) / 1e9)} gwei` },
              { name: 'Sent', align: 'end', cell: (a) => `${a.broadcasts}×` },
              {
                name: 'Provider said',
                cell: (a) => (a.accepted ? pill('good', 'accepted') : (a.lastError ?? DASH)),
              },
            ],
            'It was not signed yet.',
          ),
        ],
  );
}

const deliveriesPart = (list: NonNullable<Explanation['deliveries']>): Element =>
  h(
    'section',
    { class: 'panel' },
    h('h2', {}, 'Notifications of this person'),
    table(
      'Deliveries',
      list,
      ({ id }) => id,
      [
        { name: 'When', cell: (d) => clock(d.createdAt) },
        { name: 'Channel', cell: (d) => d.channel },
        { name: 'Kind', cell: (d) => d.kind },
        {
          name: 'State',
          cell: (d) => pill(d.state === 'delivered' ? 'good' : d.state === 'dead' ? 'bad' : 'plain', d.state),
        },
        { name: 'Tries', align: 'end', cell: (d) => number(d.attempts) },
        { name: 'Why', cell: (d) => d.reason ?? DASH },
      ],
      'None.',
    ),
  );

/** The page is drawn once: what is typed stays, and an answer speaks of the moment it was asked. */
export function explain(): Child {
  return [
    h('h1', {}, 'Explain'),
    h(
      'form',
      { class: 'ask', 'data-form': 'explain', role: 'search' },
      h('label', { for: 'explain-id' }, 'Request id, transaction id or hash, or person id'),
      h(
        'div',
        { class: 'row' },
        h('input', {
          id: 'explain-id',
          name: 'id',
          autocomplete: 'off',
          spellcheck: 'false',
          required: true,
          minlength: 4,
          maxlength: 128,
        }),
        h('button', { type: 'submit', class: 'primary' }, 'Explain'),
      ),
      h(
        'p',
        { class: 'hint' },
        'Every answer of the gateway names its request in x-request-id; the path of a request is remembered for ten minutes.',
      ),
    ),
    h('div', { id: 'explanation', 'aria-live': 'polite' }),
  ];
}

export async function explainId(id: string): Promise<void> {
  const input = document.querySelector<HTMLInputElement>('#explain-id');
  const out = document.querySelector('#explanation');
  if (input === null || out === null) return;
  input.value = id;
  render(out, h('p', { class: 'empty' }, 'Asking …'));
  try {
    const found = await get<Explanation>(`/api/explain/${encodeURIComponent(id)}`);
    out.replaceChildren();
    render(
      out,
      found.request === undefined ? null : requestPart(found.request),
      transactionPart(found),
      found.deliveries === undefined ? null : deliveriesPart(found.deliveries),
    );
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    out.replaceChildren();
    render(out, h('p', { class: 'trouble' }, error.message));
  }
}
