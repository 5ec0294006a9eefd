import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { renderReadme } from './render-readme.ts';
import { renderSchema } from './render-schema.ts';
import { renderValues } from './render-values.ts';

const CHART = join(import.meta.dirname, '..', '..', 'charts', 'rejuve-platform');

const USAGE = `Usage: node tools/chart/generate.ts [--check]

Writes values.yaml, values.schema.json and README.md of the chart from tools/chart/values.ts.
  --check   write nothing; exit 1 when a file is not up to date`;

const FILES: Readonly<Record<string, () => string>> = {
  'values.yaml': renderValues,
  'values.schema.json': renderSchema,
  'README.md': renderReadme,
};

function main(): number {
  const { values } = parseArgs({
    options: { check: { type: 'boolean' }, help: { type: 'boolean', short: 'h' } },
  });
  if (values.help) {
    console.log(USAGE);
    return 0;
  }
  let stale = 0;
  for (const [name, render] of Object.entries(FILES)) {
    const file = join(CHART, name);
    const text = render();
    if (existsSync(file) && readFileSync(file, 'utf8') === text) continue;
    if (values.check) {
      stale++;
      console.error(`charts/rejuve-platform/${name} is not what tools/chart/values.ts says`);
    } else {
      writeFileSync(file, text);
      console.log(`wrote charts/rejuve-platform/${name}`);
    }
  }
  return stale === 0 ? 0 : 1;
}

if (import.meta.main) process.exitCode = main();
