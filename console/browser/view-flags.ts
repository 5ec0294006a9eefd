import { type Child, h } from './dom.ts';
import { asOf, needs, panel, pill, table } from './parts.ts';
import { data, type Topics } from './topics.ts';

type Flag = Topics['flags']['flags'][number];

const isKnown = ({ processes }: Flag): boolean => processes.some(({ known }) => known);

function shownValue({ processes, divided }: Flag): Child {
  const asking = processes.filter(({ known }) => known);
  const [first] = asking.length > 0 ? asking : processes;
  if (divided) return pill('warn', 'processes disagree');
  const value = first?.value ?? '';
  return pill(
    value === 'true' ? 'good' : 'plain',
    value === 'true' ? 'on' : value === 'false' ? 'off' : value,
  );
}

export function flags(): Child {
  return [
    h('h1', {}, 'Feature flags'),
    panel(
      'In force now',
      { id: 'flags', note: asOf('flags') },
      needs('flags', data('flags'), ({ flags: list, mistakenIn }) => [
        h(
          'p',
          { class: 'muted' },
          'Switched in the flags file (a ConfigMap in Kubernetes), without a restart; see docs/runbooks/feature-flags.md.',
        ),
        mistakenIn.length === 0
          ? null
          : h(
              'p',
              { class: 'why' },
              `The flags file has mistakes; an earlier version is in force in ${mistakenIn.join(', ')}. Its log says which.`,
            ),
        table<Flag>(
          'Feature flags',
          list,
          ({ flag }) => flag,
          [
            { name: 'Flag', cell: ({ flag }) => h('code', {}, flag) },
            { name: 'Value', cell: shownValue },
            {
              name: 'From',
              cell: ({ processes }) => [...new Set(processes.map(({ reason }) => reason))].join(', '),
            },
            {
              name: 'In',
              cell: ({ processes }) =>
                processes.map(({ process, value }) => `${process}: ${value}`).join(' · '),
            },
            {
              name: 'Asked for',
              cell: (flag) => (isKnown(flag) ? 'yes' : pill('warn', 'by no code: a slip or a leftover')),
            },
          ],
          'No process has told a flag yet.',
        ),
      ]),
    ),
  ];
}
