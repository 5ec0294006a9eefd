import type { RegisteredMetric } from './registered-metrics.ts';

/** Labels whose values come from people, chains or requests: each value is a series that is kept for weeks. */
const UNBOUNDED =
  /^(id|uuid|.*_id|address|wallet|account|person|user|owner|subject|hash|.*_hash|tx|txid|block|block_number|nonce|seq|url|uri|path|query|ip|email|token|key|session|request|trace|message|error|detail|user_agent|time|timestamp|date)$/;

/** Labels that look unbounded and are not, each with the bound. */
const BOUNDED: Readonly<Record<string, string>> = {
  'gateway_signer_balance_ether{signer}': 'signers are configured, a handful per pool',
};

/** Labels of one metric multiply; more than this many of them is a cube that nobody can read anyway. */
const MOST_LABELS = 4;
/** Suffixes of the Prometheus naming guide that tell the unit or the kind; other names need a plain quantity. */
const NAME = /^[a-z][a-z0-9]*(_[a-z0-9]+)+$/;

/** What would explode or mislead, as sentences; none for a well-behaved metric. */
export function cardinalityProblems({ name, type, labels, file }: RegisteredMetric): string[] {
  const problems: string[] = [];
  const say = (text: string): void => void problems.push(`${file}: ${name}: ${text}`);
  if (!NAME.test(name)) say('names are snake_case words');
  if (/(_ms|_milliseconds|_millis|_mb|_kb)$/.test(name)) say('units are base units: _seconds, _bytes');
  if (type === 'counter' && !name.endsWith('_total')) say('a counter ends in _total');
  if (type !== 'counter' && name.endsWith('_total')) say('only a counter ends in _total');
  if (labels.length > MOST_LABELS) say(`${labels.length} labels multiply; at most ${MOST_LABELS}`);
  for (const label of labels) {
    if (/^[0-9]|[^a-z0-9_]|^__/.test(label)) say(`${label} is no label name`);
    if (UNBOUNDED.test(label) && !(`${name}{${label}}` in BOUNDED))
      say(`the label ${label} has as many values as there are people, requests or blocks`);
  }
  return problems;
}
