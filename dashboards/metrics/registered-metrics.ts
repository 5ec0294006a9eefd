import { readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { collectDefaultMetrics, Registry } from 'prom-client';

/** A metric as a process registers it. */
export interface RegisteredMetric {
  readonly name: string;
  readonly type: 'counter' | 'gauge' | 'histogram' | 'summary';
  readonly labels: readonly string[];
  /** Where, for messages. */
  readonly file: string;
}

const ROOT = join(import.meta.dirname, '..', '..');
/** Only what runs in production registers metrics that Prometheus will see. */
const SOURCES = ['lib', 'services', 'controllers', 'console/server'];
const SKIP = /\.test\.ts$|\/testing\/|\/bench\/|\.bench\.ts$|node_modules/;

/** `.counter<'a'>({`, `createHotHistogram(metrics, {` … up to the options. */
const REGISTRATION =
  /\b(counter|gauge|histogram|createHotCounter|createHotHistogram)(?:<[^>()]*>)?\(\s*(?:\w+,\s*)?\{/gi;
/** `name: \`prefix_${name}\`` inside a helper: `const gauge = (name, help) => metrics.gauge({ … })`. */
const HELPER = /const (\w+) = \(name: string[^)]*\)[^=]*=>\s*$/;

const typeOf = (word: string): RegisteredMetric['type'] =>
  /histogram/i.test(word) ? 'histogram' : /gauge/i.test(word) ? 'gauge' : 'counter';

/** The text of an object literal that starts at `from` with its `{`. */
function objectAt(source: string, from: number): string {
  let depth = 0;
  for (let at = from; at < source.length; at++) {
    if (source[at] === '{') depth++;
    else if (source[at] === '}' && --depth === 0) return source.slice(from, at + 1);
  }
  return source.slice(from);
}

function labelsIn(options: string): string[] {
  const list = /\blabels: \[([^\]]*)\]/.exec(options)?.[1];
  const single = /\blabel: '(\w+)'/.exec(options)?.[1];
  return [...(list?.matchAll(/'(\w+)'/g) ?? [])].map(([, name]) => name as string).concat(single ?? []);
}

/** Metrics that one source file registers. Throws when a name is made in a way that cannot be read here. */
export function registrationsIn(source: string, file: string): RegisteredMetric[] {
  return [...source.matchAll(REGISTRATION)].flatMap((match) => {
    const start = match.index + match[0].length - 1;
    const options = objectAt(source, start);
    const own = { type: typeOf(match[1] as string), labels: labelsIn(options), file };
    const literal = /\bname: '([^']+)'/.exec(options)?.[1];
    if (literal !== undefined) return [{ name: literal, ...own }];
    const template = /\bname: `([^`]*)\$\{name\}([^`]*)`/.exec(options);
    if (template === null) {
      // Not a registration: something else that is called counter or gauge (such as lib/metrics.ts itself).
      if (/\bhelp: ['"`]/.test(options))
        throw new Error(`${file}: a metric whose name cannot be read: ${options.slice(0, 80)}`);
      return [];
    }
    const before = source.slice(0, match.index).replace(/[\w.]*$/, '');
    const helper = HELPER.exec(before.trimEnd().concat(' ').trimEnd())?.[1];
    if (helper === undefined) throw new Error(`${file}: a template name outside of a helper`);
    return [...source.matchAll(new RegExp(`\\b${helper}\\('(\\w+)'`, 'g'))].map(([, name]) => ({
      name: `${template[1]}${name}${template[2]}`,
      ...own,
    }));
  });
}

function* sourceFiles(folder: string): Generator<string> {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (SKIP.test(`${path}${entry.isDirectory() ? '/' : ''}`)) continue;
    if (entry.isDirectory()) yield* sourceFiles(path);
    else if (entry.name.endsWith('.ts')) yield path;
  }
}

/** What prom-client itself adds to every process. */
async function processMetrics(): Promise<RegisteredMetric[]> {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const metrics = await registry.getMetricsAsJSON();
  registry.clear();
  return metrics.map(({ name, type }) => ({
    name,
    type: String(type) as RegisteredMetric['type'],
    labels: ['version', 'major', 'minor', 'patch', 'type', 'kind', 'space', 'quantile'],
    file: 'prom-client',
  }));
}

/** Every metric that a process of the platform registers, read from the sources: nothing has to run. */
export async function registeredMetrics(): Promise<RegisteredMetric[]> {
  const own = SOURCES.flatMap((folder) =>
    [...sourceFiles(join(ROOT, folder))].flatMap((path) =>
      registrationsIn(readFileSync(path, 'utf8'), relative(ROOT, path)),
    ),
  );
  return [...own, ...(await processMetrics())];
}

/** The names that a registered metric has in Prometheus. */
export const seriesOf = ({ name, type }: RegisteredMetric): string[] =>
  type === 'histogram' ? [`${name}_bucket`, `${name}_sum`, `${name}_count`] : [name];
