import { bars, lineChart } from './chart.ts';
import { type Child, h } from './dom.ts';
import { DASH, milliseconds, number, percent } from './format.ts';
import { actionButton, asOf, needs, panel, pill } from './parts.ts';
import { data, type Topics } from './topics.ts';

type Provider = Topics['providers']['providers'][number];

function providerCard(provider: Provider, served: number | null): Element {
  const { id, rank, usable, excluded, score, reasons, breaker, latencyMs, rateLimit, cordonedBy } = provider;
  const fact = (label: string, value: string): Element =>
    h('div', {}, h('dt', {}, label), h('dd', {}, value));
  const behind = provider.head === null || served === null ? null : served - provider.head;
  const path = (name: string): string => `/api/providers/${encodeURIComponent(id)}/${name}`;
  return h(
    'article',
    { class: 'card', 'data-key': id },
    h(
      'div',
      { class: 'card-head' },
      h('h3', {}, `${rank}. ${id}`),
      cordonedBy !== null
        ? pill('warn', 'cordoned')
        : usable
          ? pill('good', rank === 1 ? 'preferred' : 'in traffic')
          : pill('bad', 'out of traffic'),
    ),
    cordonedBy !== null
      ? h('p', { class: 'why' }, `Taken out by ${cordonedBy}; probes go on.`)
      : excluded === null
        ? null
        : h('p', { class: 'why' }, excluded),
    h(
      'dl',
      { class: 'facts' },
      fact('score', number(score)),
      fact('errors', percent(provider.errorRate, 1)),
      fact('p50', milliseconds(latencyMs.p50)),
      fact('p95', milliseconds(latencyMs.p95)),
      fact('head', behind === null ? DASH : behind <= 0 ? 'at the head' : `${behind} behind`),
      fact('breaker', breaker),
      fact('in flight', number(provider.inFlight)),
      fact(
        'limit',
        rateLimit.callsPerSecond === null
          ? 'none'
          : `${number(rateLimit.callsPerSecond)}/s${rateLimit.learned ? ', learned' : ''}`,
      ),
    ),
    h(
      'details',
      { open: true },
      h('summary', {}, 'Why this place'),
      h(
        'ul',
        { class: 'plain' },
        reasons.map((reason) => h('li', { 'data-key': reason.replace(/\d+/g, '#') }, reason)),
      ),
    ),
    h(
      'p',
      { class: 'actions' },
      cordonedBy === null
        ? actionButton({
            ...{
              text: 'Cordon',
              action: 'cordon provider',
              path: path('cordon'),
              label: `Cordon ${id}`,
              tone: 'danger',
            },
            confirm: `Take ${id} out of traffic? The other providers get its calls; probes go on, and Uncordon puts it back.`,
          })
        : actionButton({
            ...{
              text: 'Uncordon',
              action: 'uncordon provider',
              path: path('uncordon'),
              label: `Uncordon ${id}`,
            },
            confirm: `Put ${id} back into traffic?`,
          }),
    ),
  );
}

export function providers(): Child {
  const flows = data('flows');
  return [
    h('h1', {}, 'Providers'),
    panel(
      'In the order of preference',
      { id: 'ranking', note: asOf('providers') },
      needs('providers', data('providers'), ({ chainId, head, providers: list }) => [
        h(
          'p',
          { class: 'muted' },
          `Chain ${chainId} · served head ${number(head.served, 12)} · safe ${number(head.safe, 12)} · finalized ${number(head.finalized, 12)}`,
        ),
        h(
          'div',
          { class: 'cards wide' },
          list.map((provider) => providerCard(provider, head.served)),
        ),
      ]),
    ),
    panel(
      'Compared',
      { id: 'compared' },
      h(
        'div',
        { class: 'charts' },
        flows === undefined
          ? null
          : lineChart({ title: 'Attempts by provider', unit: 'per second', ...flows.upstream }),
        h(
          'figure',
          { class: 'chart' },
          h('figcaption', {}, h('strong', {}, 'Latency, 95th percentile')),
          bars(
            (data('providers')?.providers ?? []).flatMap(({ id, latencyMs }) =>
              latencyMs.p95 === null
                ? []
                : [{ name: id, value: latencyMs.p95, text: milliseconds(latencyMs.p95) }],
            ),
            'Latency by provider',
          ),
        ),
      ),
    ),
  ];
}
