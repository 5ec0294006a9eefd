import { bars } from './chart.ts';
import { type Child, h } from './dom.ts';
import { ether, number, percent } from './format.ts';
import { asOf, needs, panel } from './parts.ts';
import { data, type Topics } from './topics.ts';

type Period = Topics['cost']['today'];

const money = (value: number): string =>
  value === 0 ? '$0' : value < 0.01 ? `$${value.toExponential(1)}` : `$${value.toFixed(2)}`;

function big(label: string, value: string, note: string): Element {
  return h(
    'div',
    { class: 'big', 'data-key': label },
    h('span', { class: 'muted' }, label),
    h('b', {}, value),
    h('span', { class: 'muted' }, note),
  );
}

function numbers(period: Period): Element {
  const asked = period.total.calls + period.saved.calls;
  return h(
    'div',
    { class: 'bigs', 'data-key': period.period },
    big(`Spent, ${period.period}`, money(period.total.money), `${number(period.total.units)} compute units`),
    big(
      'Calls to providers',
      number(period.total.calls),
      `${number(period.total.calls - (period.byReason.first?.calls ?? 0))} of them retries, hedges and checks`,
    ),
    big(
      'Saved',
      asked === 0 ? '–' : percent(period.saved.calls / asked, 0),
      `${number(period.saved.units)} units not bought`,
    ),
  );
}

const breakdown = (title: string, by: Period['byMethod']): Element =>
  h(
    'figure',
    { class: 'chart', 'data-key': title },
    h('figcaption', {}, h('strong', {}, title), h('span', { class: 'unit' }, 'compute units')),
    Object.keys(by).length === 0
      ? h('p', { class: 'empty' }, 'Nothing was spent.')
      : bars(
          Object.entries(by)
            .sort(([, a], [, b]) => b.units - a.units)
            .slice(0, 8)
            .map(([name, line]) => ({ name, value: line.units, text: number(line.units) })),
          title,
        ),
  );

export function cost(): Child {
  return [
    h('h1', {}, 'Cost'),
    panel(
      'Providers',
      { id: 'spent', note: asOf('cost') },
      needs('cost', data('cost'), ({ today, month }) => [
        numbers(today),
        numbers(month),
        h(
          'div',
          { class: 'charts' },
          breakdown('This month by provider', month.byProvider),
          breakdown('This month by method', month.byMethod),
          breakdown('This month by who asked', month.byPrincipal),
          breakdown('This month by why', month.byReason),
        ),
      ]),
    ),
    panel(
      'Gas',
      { id: 'gas' },
      needs('cost', data('cost'), ({ gas, days }) => {
        const byPurpose = new Map<string, bigint>();
        for (const { purpose, gasWei } of gas.spend)
          byPurpose.set(purpose, (byPurpose.get(purpose) ?? 0n) + BigInt(gasWei));
        return [
          h(
            'div',
            { class: 'charts' },
            h(
              'figure',
              { class: 'chart' },
              h('figcaption', {}, h('strong', {}, `Gas of the last ${days} days by purpose`)),
              byPurpose.size === 0
                ? h('p', { class: 'empty' }, 'No transaction was sent.')
                : bars(
                    [...byPurpose].map(([name, wei]) => ({
                      name: name || 'no purpose',
                      value: Number(wei),
                      text: ether(String(wei)),
                    })),
                    'Gas by purpose',
                  ),
            ),
          ),
          gas.suggestions.length === 0
            ? h('p', { class: 'muted' }, 'No way to pay less was found in what was sent.')
            : h(
                'ul',
                {},
                gas.suggestions.map(({ text, savesWei }) =>
                  h('li', { 'data-key': text }, text, ' ', h('b', {}, `saves ${ether(savesWei)}`)),
                ),
              ),
        ];
      }),
    ),
  ];
}
