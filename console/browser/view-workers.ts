import { meter } from './chart.ts';
import { type Child, h } from './dom.ts';
import { DASH, number, since } from './format.ts';
import { asOf, needs, panel, pill, table } from './parts.ts';
import { data, type Topics } from './topics.ts';

type Pool = Extract<Topics['pools'], { kubernetes: true }>['pools'][number];

/** Conditions that are bad news when they hold; all others are when they do not. */
const BAD_WHEN_TRUE = new Set(['ScalingLimited', 'ScaleContested']);

function poolCard(pool: Pool): Element {
  const { metadata, spec, status } = pool;
  const { decision } = status;
  const replicas = status.replicas ?? 0;
  const fact = (label: string, value: string): Element =>
    h('div', {}, h('dt', {}, label), h('dd', {}, value));
  const troubled = status.conditions.filter(({ type, status: is }) =>
    BAD_WHEN_TRUE.has(type) ? is === 'True' : is === 'False',
  );
  return h(
    'article',
    { class: 'card', 'data-key': `${metadata.namespace}/${metadata.name}` },
    h(
      'div',
      { class: 'card-head' },
      h('h3', {}, `${metadata.namespace}/${metadata.name}`),
      decision === undefined
        ? pill('plain', 'no decision yet')
        : pill(/Hold|Fallback|Paused/.test(decision.action) ? 'warn' : 'good', decision.action),
    ),
    decision === undefined ? null : h('p', { class: 'lead' }, decision.summary),
    troubled.map(({ type, reason, message }) =>
      h('p', { class: 'why', 'data-key': type }, `${reason ?? type}: ${message ?? ''}`),
    ),
    h('p', { class: 'muted' }, `${replicas} of ${spec.minReplicas} to ${spec.maxReplicas} replicas`),
    meter(
      spec.maxReplicas === 0 ? null : replicas / spec.maxReplicas,
      `${replicas} of at most ${spec.maxReplicas} replicas`,
    ),
    h(
      'dl',
      { class: 'facts' },
      fact('ready', number(status.readyReplicas)),
      fact('wanted', number(status.desiredReplicas)),
      fact('waiting jobs', number(status.backlog)),
      fact('oldest job', status.oldestJobAge ?? DASH),
      fact('scaled', status.lastScaleTime === undefined ? DASH : `${since(status.lastScaleTime)} ago`),
      fact('mode', spec.mode ?? 'Active'),
    ),
    decision === undefined
      ? null
      : h(
          'details',
          { open: true },
          h('summary', {}, `Why ${decision.replicas}: every term of the decision`),
          table(
            `Terms of the decision for ${metadata.name}`,
            decision.terms,
            ({ name }) => name,
            [
              { name: 'Term', cell: ({ name }) => h('code', {}, name) },
              { name: 'Value', cell: ({ value }) => h('b', {}, value) },
              { name: 'Why', cell: ({ why }) => why },
            ],
            'No terms were recorded.',
          ),
        ),
  );
}

export function workers(): Child {
  return [
    h('h1', {}, 'Worker pools'),
    panel(
      'Decisions of the controller',
      { id: 'pools', note: asOf('pools') },
      needs('pools', data('pools'), (pools) => {
        if (!pools.kubernetes) {
          return h(
            'p',
            { class: 'empty' },
            'There is no Kubernetes here, so nothing is scaled: one worker runs. In a cluster this page shows every RpcWorkerPool with each number that its last decision came from.',
          );
        }
        if (pools.pools.length === 0)
          return h(
            'p',
            { class: 'empty' },
            'The cluster has no RpcWorkerPool. `kubectl apply` one, and its decisions appear here.',
          );
        return h('div', { class: 'cards wide' }, pools.pools.map(poolCard));
      }),
    ),
  ];
}
