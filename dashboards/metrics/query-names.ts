/** A metric in a query, and the labels that the query expects it to have. */
export interface UsedMetric {
  readonly metric: string;
  readonly labels: readonly string[];
}

const KEYWORDS = new Set([
  ...[
    'and',
    'or',
    'unless',
    'by',
    'without',
    'on',
    'ignoring',
    'group_left',
    'group_right',
    'bool',
    'offset',
  ],
  ...['atan2', 'inf', 'nan', 'start', 'end'],
]);
/** Keywords whose parentheses hold labels and not an expression. */
const LABEL_LISTS = new Set(['by', 'without', 'on', 'ignoring', 'group_left', 'group_right']);

type Token = { readonly kind: 'name' | 'string' | 'other'; readonly text: string };

function tokenize(query: string): Token[] {
  const tokens: Token[] = [];
  const pattern = /"(?:[^"\\]|\\.)*"|\[[^\]]*\]|[a-zA-Z_:][\w:]*|\d[\w.]*|\$\w+|[^\s]/g;
  for (const [text] of query.matchAll(pattern)) {
    if (text.startsWith('[')) continue;
    const kind = text.startsWith('"') ? 'string' : /^[a-zA-Z_:]/.test(text) ? 'name' : 'other';
    tokens.push({ kind, text });
  }
  return tokens;
}

/** The metrics that a PromQL query reads, each with the labels of its own matchers. */
export function metricsIn(query: string): UsedMetric[] {
  const tokens = tokenize(query);
  const used: UsedMetric[] = [];
  let at = 0;
  const skipTo = (end: string): string[] => {
    const names: string[] = [];
    while (at < tokens.length && tokens[at]?.text !== end) {
      if (tokens[at]?.kind === 'name') names.push(tokens[at]?.text as string);
      at++;
    }
    return names;
  };
  for (; at < tokens.length; at++) {
    const { kind, text } = tokens[at] as Token;
    const next = tokens[at + 1]?.text;
    if (kind !== 'name') continue;
    if (LABEL_LISTS.has(text)) {
      if (next === '(') skipTo(')');
      continue;
    }
    if (KEYWORDS.has(text.toLowerCase()) || next === '(') continue;
    // An aggregation may name its labels before its argument: `sum by (x) (…)`.
    if (next === 'by' || next === 'without') continue;
    if (next === '{') {
      at++;
      used.push({ metric: text, labels: skipTo('}') });
    } else used.push({ metric: text, labels: [] });
  }
  return used;
}
