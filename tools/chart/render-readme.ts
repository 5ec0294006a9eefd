import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { defaultValues, type Node, typeOf, valuesJsonSchema } from './json-schema.ts';

const CHART = join(import.meta.dirname, '..', '..', 'charts', 'rejuve-platform');

/** Parts that can be told the same: listed once, under the first of them. */
const TWINS: Readonly<Record<string, string>> = {
  user: 'api',
  console: 'api',
  gateway: 'api',
  notifications: 'transactions',
  indexer: 'transactions',
};

/** README.md of the chart: an introduction from README.head.md, then every value. */
export function renderReadme(): string {
  const chart = parse(readFileSync(join(CHART, 'Chart.yaml'), 'utf8')) as {
    version: string;
    kubeVersion: string;
  };
  const head = readFileSync(join(CHART, 'README.head.md'), 'utf8')
    .replaceAll('{{version}}', chart.version)
    .replaceAll('{{kubeVersion}}', chart.kubeVersion.replace('-0', ''));
  const rows: string[] = [];
  collect(valuesJsonSchema(), defaultValues(), '', rows);
  return `${head.trimEnd()}

## Values

Generated from \`tools/chart/values.ts\`. What a part has in common with another is listed once.

| value | default | what it is |
|---|---|---|
${rows.join('\n')}
`;
}

function collect(node: Node, value: Record<string, unknown>, prefix: string, rows: string[]): void {
  for (const [name, child] of Object.entries(node.properties ?? {})) {
    const path = prefix === '' ? name : `${prefix}.${name}`;
    const own = value[name];
    if (child.properties) {
      const twin = prefix === '' ? TWINS[name] : undefined;
      const more = twin ? ` Same settings as \`${twin}\`${differences(own, value[twin])}.` : '';
      rows.push(`| **\`${path}\`** | | ${cell(child.description ?? '')}${more} |`);
      if (!twin) collect(child, own as Record<string, unknown>, path, rows);
    } else {
      rows.push(
        `| \`${path}\` | \`${cell(JSON.stringify(own) ?? 'not set')}\` | ${cell(child.description ?? '')} *${cell(typeOf(child))}* |`,
      );
    }
  }
}

/** In which defaults two twins differ. */
function differences(own: unknown, other: unknown): string {
  const found: string[] = [];
  const walk = (a: unknown, b: unknown, path: string): void => {
    if (a !== null && typeof a === 'object' && !Array.isArray(a)) {
      for (const [key, value] of Object.entries(a))
        walk(value, (b as Record<string, unknown> | undefined)?.[key], path === '' ? key : `${path}.${key}`);
    } else if (JSON.stringify(a) !== JSON.stringify(b)) found.push(`\`${path}\` ${JSON.stringify(a)}`);
  };
  walk(own, other, '');
  return found.length === 0 ? '' : `; other defaults: ${found.join(', ')}`;
}

const cell = (text: string): string => text.replaceAll('|', '\\|').replaceAll('\n', ' ');
