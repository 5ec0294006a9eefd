import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { OpenApiDocument } from '../../lib/http/openapi.ts';
import { breakingChanges } from './breaking-changes.ts';
import { allDocuments } from './documents.ts';

/**
 * Writes `services/<service>/openapi.json` from the route definitions; `--check` only compares (drift fails).
 * Either way a breaking change against the committed document fails, unless `docs/breaking-changes.md` quotes the
 * line that describes it: the override, with its reason, lies in the same commit as the change.
 */
const PROJECT = join(import.meta.dirname, '..', '..');
const check = process.argv.includes('--check');
const acceptedFile = join(PROJECT, 'docs', 'breaking-changes.md');
const accepted = existsSync(acceptedFile) ? readFileSync(acceptedFile, 'utf8') : '';

let failed = false;
for (const [service, document] of Object.entries(await allDocuments())) {
  const name = `services/${service}/openapi.json`;
  const file = join(PROJECT, name);
  const text = `${JSON.stringify(document, null, 2)}\n`;
  const before = existsSync(file) ? readFileSync(file, 'utf8') : undefined;
  if (before === text) continue;
  const broken = before === undefined ? [] : breakingChanges(JSON.parse(before) as OpenApiDocument, document);
  for (const change of broken.filter((line) => !accepted.includes(line))) {
    failed = true;
    console.error(`${service}: breaking: ${change}`);
  }
  if (check) {
    failed = true;
    console.error(`${name} is not what the routes say; run: node tools/openapi/main.ts`);
  } else if (!failed) {
    writeFileSync(file, text);
    console.log(`wrote ${name}`);
  }
}
if (failed && !check)
  console.error('Nothing that breaks clients was written; docs/breaking-changes.md tells how to override.');
process.exitCode = failed ? 1 : 0;
