import { stringify } from 'yaml';
import type { Objective } from '../lib/slo/objective.ts';
import { OBJECTIVES, SLO_WINDOW_DAYS } from '../lib/slo/objectives.ts';
import { BURN_RATE_ALERTS, burnRateAlertsOf } from './rules/burn-rates.ts';
import { eventCounts } from './rules/error-ratio.ts';

const API = 'openslo/v1';
const source = { metricSource: { type: 'Prometheus' } };

/** The indicator in OpenSLO's words: bad of total for events, a threshold for levels and invariants. */
function indicatorOf(objective: Objective): object {
  const { indicator } = objective;
  const metadata = { name: `${objective.id}-sli` };
  const query = (text: string) => ({ metricSource: { ...source.metricSource, spec: { query: text } } });
  switch (indicator.kind) {
    case 'level':
      return { metadata, spec: { thresholdMetric: query(indicator.expression) } };
    case 'invariant':
      return {
        metadata,
        spec: { thresholdMetric: query(`max(${indicator.gauge.metric}{${indicator.gauge.selector}})`) },
      };
    default: {
      const { bad, total } = eventCounts(objective, '5m');
      return { metadata, spec: { ratioMetric: { counter: false, bad: query(bad), total: query(total) } } };
    }
  }
}

function targetOf({ indicator, target, title }: Objective): object {
  const displayName = title;
  if (indicator.kind === 'level')
    return {
      displayName,
      op: 'lte',
      value: indicator.atMost,
      target: target ?? 0,
      timeSliceWindow: '1m',
      timeSliceTarget: 1,
    };
  // An invariant has no budget at all; OpenSLO wants a target below 1, and this is nearest.
  if (indicator.kind === 'invariant') return { displayName, op: 'lte', value: 0, target: 0.99999 };
  return { displayName, target: target ?? 0 };
}

function slo(objective: Objective): object {
  return {
    apiVersion: API,
    kind: 'SLO',
    metadata: {
      name: objective.id,
      displayName: objective.title,
      labels: {
        service: [objective.service],
        ...(objective.promise === undefined ? {} : { promise: [String(objective.promise)] }),
      },
      annotations: { runbook: `docs/runbooks/${objective.runbook}.md` },
    },
    spec: {
      description: objective.description,
      service: objective.service,
      indicator: indicatorOf(objective),
      timeWindow: [{ duration: `${SLO_WINDOW_DAYS}d`, isRolling: true }],
      budgetingMethod:
        objective.indicator.kind === 'level' || objective.indicator.kind === 'invariant'
          ? 'Timeslices'
          : 'Occurrences',
      objectives: [targetOf(objective)],
      alertPolicies:
        objective.target === undefined
          ? []
          : [...new Set(burnRateAlertsOf(objective.target).map(({ severity }) => severity))],
    },
  };
}

const conditionName = (severity: string, long: string): string => `${severity}-${long}`;

/** Objectives, services and alert policies in the format of openslo.com (v1), for tools that are not Prometheus. */
export function openSlo(): string {
  const services = [...new Set(OBJECTIVES.map(({ service }) => service))].map((name) => ({
    apiVersion: API,
    kind: 'Service',
    metadata: { name },
    spec: { description: `Service ${name} of the Rejuve platform` },
  }));
  const conditions = BURN_RATE_ALERTS.map(({ severity, factor, long, short }) => ({
    apiVersion: API,
    kind: 'AlertCondition',
    metadata: { name: conditionName(severity, long) },
    spec: {
      severity,
      condition: { kind: 'burnrate', op: 'gte', threshold: factor, lookbackWindow: long, alertAfter: short },
    },
  }));
  const policies = (['page', 'ticket'] as const).map((severity) => ({
    apiVersion: API,
    kind: 'AlertPolicy',
    metadata: { name: severity },
    spec: {
      alertWhenBreaching: true,
      conditions: BURN_RATE_ALERTS.filter((alert) => alert.severity === severity).map(({ long }) => ({
        conditionRef: conditionName(severity, long),
      })),
      notificationTargets: [],
    },
  }));
  const documents = [...services, ...conditions, ...policies, ...OBJECTIVES.map(slo)];
  const header = '# Generated from lib/slo by dashboards/generate.ts. Change the objective, not this file.\n';
  return header + documents.map((document) => stringify(document, { lineWidth: 0 })).join('---\n');
}
