import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { prometheusRules } from './rules/prometheus-rules.ts';

const FOLDER = join(import.meta.dirname, '..', 'docs', 'runbooks');

/** `docs/runbooks/README.md`: every page with the alerts that lead to it. */
export function runbookList(): string {
  const groups = (
    parse(prometheusRules()) as {
      groups: { rules: { alert?: string; annotations?: { runbook?: string } }[] }[];
    }
  ).groups;
  const alerts = new Map<string, Set<string>>();
  for (const { alert, annotations } of groups.flatMap(({ rules }) => rules)) {
    if (alert === undefined) continue;
    const page = (annotations?.runbook ?? '').split('/').at(-1)?.split('#')[0] ?? '';
    alerts.set(page, (alerts.get(page) ?? new Set()).add(alert));
  }
  const pages = readdirSync(FOLDER).filter((file) => file.endsWith('.md') && file !== 'README.md');
  const row = (file: string): string => {
    const title = /^# (.+)$/m.exec(readFileSync(join(FOLDER, file), 'utf8'))?.[1] ?? file;
    const names = [...(alerts.get(file) ?? [])].sort().map((name) => `\`${name}\``);
    return `| [${title}](${file}) | ${names.join(', ') || 'findings and procedures, no alert of its own'} |`;
  };
  const policy = [...(alerts.get('slo.md') ?? [])].sort().map((name) => `\`${name}\``);
  return `<!-- Generated from the rules by dashboards/generate.ts. Change the alert, not this file. -->
# Runbooks

One page for each alert: what it means for people, what to look at first, what cures it, and when it is over. Every alert names its page in the annotation \`runbook\` and its panel in \`dashboard\`; every panel links back to the page. The dashboards have a variable “Runbooks”: the address below which you serve this folder.

| page | alerts |
|---|---|
${pages.sort().map(row).join('\n')}
| [Error-budget policy](../slo.md#error-budget-policy) | ${policy.join(', ')} |
`;
}
