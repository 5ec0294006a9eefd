import { lineChart } from './chart.ts';
import { type Child, h } from './dom.ts';
import { DASH, duration, number, shortHash, since } from './format.ts';
import { actionButton, asOf, needs, panel, pill, table, whyLink } from './parts.ts';
import { data, type Topics } from './topics.ts';
import { STUCK_SECONDS, secondsSince } from './view-overview.ts';

type Transaction = Topics['transactions']['open'][number];

const what = ({ contract, function: name, to, purpose }: Transaction): Child => [
  h('b', {}, contract === null ? `to ${shortHash(to)}` : `${contract}.${name}`),
  purpose === null ? null : h('span', { class: 'muted' }, ` ${purpose}`),
];

function actions({ id, state }: Transaction): Child {
  const path = (name: string): string => `/api/transactions/${id}/${name}`;
  return h(
    'span',
    { class: 'actions' },
    state === 'submitted'
      ? actionButton({
          ...{
            text: 'Speed up',
            action: 'speed up transaction',
            path: path('speed-up'),
            label: `Speed up ${shortHash(id)}`,
          },
          confirm:
            'Sign it again with higher fees, within the caps of its signer? The same nonce is used: only one of them can be included.',
        })
      : null,
    actionButton({
      ...{
        text: 'Cancel',
        action: 'cancel transaction',
        path: path('cancel'),
        label: `Cancel ${shortHash(id)}`,
        tone: 'danger',
      },
      confirm:
        'Withdraw it? After it is signed its nonce is spent on a no-op, unless the transaction itself is faster.',
    }),
  );
}

export function transactions(): Child {
  const flows = data('flows');
  return [
    h('h1', {}, 'Transactions'),
    panel(
      'On their way',
      { id: 'open', note: asOf('transactions') },
      needs('transactions', data('transactions'), ({ open }) =>
        table<Transaction>(
          'Transactions that are on their way',
          open,
          ({ id }) => id,
          [
            {
              name: 'Age',
              cell: ({ createdAt }) =>
                pill(secondsSince(createdAt) > STUCK_SECONDS ? 'warn' : 'plain', since(createdAt)),
            },
            { name: 'Transaction', cell: ({ id }) => whyLink(id, shortHash(id)) },
            { name: 'What', cell: what },
            {
              name: 'State',
              cell: ({ state, waitingReason }) => [
                state,
                waitingReason === null ? null : h('span', { class: 'muted' }, ` · ${waitingReason}`),
              ],
            },
            {
              name: 'Signer',
              cell: ({ signer, nonce }) => `${signer.alias}${nonce === null ? '' : ` #${nonce}`}`,
            },
            {
              name: 'Asked by',
              cell: ({ requestedBy }) => h('span', { class: 'mono' }, shortHash(requestedBy)),
            },
            { name: 'Actions', cell: actions },
          ],
          'Nothing waits.',
        ),
      ),
    ),
    panel(
      'Nonce lanes',
      { id: 'lanes' },
      needs('transactions', data('transactions'), ({ lanes }) =>
        table(
          'Nonce lanes',
          lanes,
          ({ signer }) => signer,
          [
            { name: 'Pool', cell: ({ pool }) => h('b', {}, pool) },
            { name: 'Signer', cell: ({ signer }) => h('span', { class: 'mono' }, shortHash(signer)) },
            {
              name: 'State',
              cell: ({ paused }) => (paused ? pill('bad', paused.reason) : pill('good', 'runs')),
            },
            { name: 'Next nonce', align: 'end', cell: ({ nextNonce }) => number(nextNonce, 9) },
            { name: 'Under way', align: 'end', cell: ({ open }) => number(open) },
            { name: 'Prepared', align: 'end', cell: ({ prepared }) => number(prepared) },
            {
              name: 'Oldest',
              align: 'end',
              cell: ({ oldestOpenSeconds }) =>
                oldestOpenSeconds === null ? DASH : duration(oldestOpenSeconds),
            },
          ],
          'No signer has been used yet.',
        ),
      ),
    ),
    panel(
      'Differences between database, mempool and chain',
      { id: 'findings' },
      needs('transactions', data('transactions'), ({ findings }) =>
        table(
          'Open findings of the reconciler',
          findings,
          ({ kind, subject }) => `${kind} ${subject}`,
          [
            { name: 'Kind', cell: ({ kind, repaired }) => [pill(repaired ? 'plain' : 'warn', kind)] },
            { name: 'Subject', cell: ({ subject }) => h('span', { class: 'mono' }, shortHash(subject)) },
            { name: 'Since', cell: ({ firstAt }) => since(firstAt) },
            { name: 'Repaired', cell: ({ repaired }) => (repaired ? 'yes' : 'no') },
            { name: 'Runbook', cell: ({ runbook }) => h('code', {}, runbook) },
          ],
          'None: what we wrote down is what the chain says.',
        ),
      ),
    ),
    flows === undefined
      ? null
      : panel(
          'Over the last minutes',
          { id: 'over-time' },
          h(
            'div',
            { class: 'charts' },
            lineChart({ title: 'Transactions on their way', unit: 'by state', ...flows.transactions }),
            lineChart({ title: 'Behind the chain', unit: 'blocks and events', ...flows.indexer }),
          ),
        ),
  ];
}
