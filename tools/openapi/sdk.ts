import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { OpenApiDocument } from '../../lib/http/openapi.ts';
import { pythonClient } from './sdk-python.ts';
import { typescriptClient } from './sdk-typescript.ts';

/** Writes the generated parts of both SDKs from the API's committed document; `--check` only compares. */
const PROJECT = join(import.meta.dirname, '..', '..');
const document = JSON.parse(
  readFileSync(join(PROJECT, 'services/api/openapi.json'), 'utf8'),
) as OpenApiDocument;
const python = pythonClient(document);
const files: Record<string, string> = {
  'sdk/typescript/src/generated/client.ts': typescriptClient(document),
  'sdk/python/rejuve_api/generated.py': python.client,
  'sdk/python/rejuve_api/types.py': python.types,
};
for (const [name, text] of Object.entries(files)) {
  const file = join(PROJECT, name);
  if (existsSync(file) && readFileSync(file, 'utf8') === text) continue;
  if (process.argv.includes('--check')) {
    console.error(`${name} is not what the API's document says; run: node tools/openapi/sdk.ts`);
    process.exitCode = 1;
  } else {
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text);
    console.log(`wrote ${name}`);
  }
}
