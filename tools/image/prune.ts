import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';

/**
 * Takes out of node_modules what no process loads: types, source maps, documentation, tests. `node prune.ts FOLDER`.
 * Licences stay. A folder that a package's own package.json points into stays as well.
 */

/** Node does not run TypeScript below node_modules, so `.ts` is never loaded there. */
const FILES =
  /(\.(ts|mts|cts|map|markdown|md|flow|tsbuildinfo)|^\.(npmignore|eslintrc.*|prettierrc.*|editorconfig|travis\.yml))$/i;
const KEPT = /^(licen[cs]e|notice|copying)/i;
const FOLDERS = new Set([
  'test',
  'tests',
  '__tests__',
  'doc',
  'docs',
  'example',
  'examples',
  'benchmark',
  'benchmarks',
  '.github',
  'coverage',
]);

const isPackage = (folder: string): boolean => existsSync(join(folder, 'package.json'));

export function prune(folder: string): { files: number } {
  let files = 0;
  const manifest = isPackage(folder) ? readFileSync(join(folder, 'package.json'), 'utf8') : undefined;
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isSymbolicLink()) continue;
    if (entry.isDirectory()) {
      const unused =
        FOLDERS.has(entry.name) && manifest !== undefined && !manifest.includes(`/${entry.name}/`);
      if (unused || (entry.name === '@types' && folder.endsWith('node_modules'))) {
        rmSync(path, { recursive: true });
        files += 1;
      } else files += prune(path).files;
    } else if (FILES.test(entry.name) && !KEPT.test(entry.name)) {
      rmSync(path);
      files += 1;
    }
  }
  return { files };
}

const [target] = process.argv.slice(2);
if (import.meta.main && target !== undefined) console.log(`removed ${prune(target).files} files and folders`);
