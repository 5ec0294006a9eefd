import { bars, lineChart } from './chart.ts';
import { type Child, h } from './dom.ts';
import { number, shortHash, since } from './format.ts';
import { actionButton, asOf, needs, panel, pill, table } from './parts.ts';
import { data, type Topics } from './topics.ts';

type Letter = Topics['deliveries']['data'][number];

const lastWords = ({ reason, log }: Letter): string =>
  log.at(-1)?.detail || reason || 'no reason was recorded';

export function notifications(): Child {
  const flows = data('flows');
  const letters = data('deliveries');
  const channels = Map.groupBy(letters?.data ?? [], ({ channel }) => channel);
  return [
    h('h1', {}, 'Notifications'),
    panel(
      'Dead letters',
      { id: 'dead', note: asOf('deliveries') },
      needs('deliveries', letters, ({ data: list, page }) => [
        h(
          'p',
          { class: 'muted' },
          'Given up after every retry. The inbox of the app has them all the same; these are the e-mails, pushes and webhooks.',
        ),
        list.length === 0
          ? null
          : h(
              'p',
              { class: 'actions' },
              [...channels].map(([channel, of]) =>
                actionButton({
                  ...{
                    text: `Send all ${channel} again`,
                    action: 'redrive channel',
                    path: '/api/dead-letters/redrive',
                    body: { channel },
                  },
                  confirm: `Send every dead ${channel} letter again? ${of.length}${page.hasMore ? ' or more' : ''} will be tried.`,
                }),
              ),
            ),
        table<Letter>(
          'Dead letters',
          list,
          ({ id }) => id,
          [
            { name: 'Channel', cell: ({ channel }) => pill('warn', channel) },
            { name: 'Kind', cell: ({ kind }) => kind },
            {
              name: 'Given up',
              cell: ({ finishedAt, createdAt }) => `${since(finishedAt ?? createdAt)} ago`,
            },
            { name: 'Tries', align: 'end', cell: ({ attempts }) => number(attempts) },
            { name: 'What the other side said', cell: (letter) => lastWords(letter) },
            { name: 'Delivery', cell: ({ id }) => h('span', { class: 'mono' }, shortHash(id)) },
            {
              name: 'Actions',
              cell: ({ id, channel }) =>
                actionButton({
                  ...{
                    text: 'Send again',
                    action: 'redrive letter',
                    path: '/api/dead-letters/redrive',
                    body: { id },
                  },
                  label: `Send ${channel} ${shortHash(id)} again`,
                  confirm: 'Send this one again?',
                }),
            },
          ],
          'None: everything that was to be sent was sent.',
        ),
      ]),
    ),
    panel(
      'Flow',
      { id: 'notice-flow' },
      h(
        'div',
        { class: 'charts' },
        flows === undefined
          ? null
          : lineChart({
              title: 'Notifications',
              unit: 'per second',
              ...flows.notifications,
              hint: 'Good: deliveries follow inboxes.',
            }),
        h(
          'figure',
          { class: 'chart' },
          h('figcaption', {}, h('strong', {}, 'Dead letters by channel')),
          channels.size === 0
            ? h('p', { class: 'empty' }, 'None.')
            : bars(
                [...channels].map(([name, of]) => ({ name, value: of.length, text: number(of.length) })),
                'Dead letters by channel',
              ),
        ),
      ),
    ),
  ];
}
