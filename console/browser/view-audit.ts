import { get, Problem } from './api.ts';
import { type Child, h, render } from './dom.ts';
import { shortHash } from './format.ts';
import { pill, table } from './parts.ts';

interface Entry {
  readonly id: string;
  readonly at: string;
  readonly operator: string;
  readonly role: string;
  readonly action: string;
  readonly subject: string;
  readonly outcome: string;
  readonly requestId: string;
}

export const audit = (): Child => [
  h('h1', {}, 'Audit log'),
  h(
    'p',
    { class: 'muted' },
    'Who signed in and did what. An entry is written before its action; nothing is ever deleted.',
  ),
  h('div', { id: 'audit-list' }, h('p', { class: 'empty' }, 'Loading …')),
];

export async function loadAudit(): Promise<void> {
  const out = document.querySelector('#audit-list');
  if (out === null) return;
  try {
    const { entries } = await get<{ entries: Entry[] }>('/api/audit');
    render(
      out,
      table<Entry>(
        'The last hundred entries',
        entries,
        ({ id }) => id,
        [
          {
            name: 'When',
            cell: ({ at }) => h('time', { datetime: at }, new Date(at).toLocaleString('en-GB')),
          },
          {
            name: 'Who',
            cell: ({ operator, role }) => [h('b', {}, operator), h('span', { class: 'muted' }, ` ${role}`)],
          },
          { name: 'Action', cell: ({ action }) => action },
          { name: 'Subject', cell: ({ subject }) => h('span', { class: 'mono' }, shortHash(subject)) },
          {
            name: 'Outcome',
            cell: ({ outcome }) =>
              pill(outcome === 'done' ? 'good' : outcome === 'begun' ? 'plain' : 'warn', outcome),
          },
          { name: 'Request', cell: ({ requestId }) => h('span', { class: 'mono' }, shortHash(requestId)) },
        ],
        'Nobody did anything yet.',
      ),
    );
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    render(out, h('p', { class: 'trouble' }, error.message));
  }
}
