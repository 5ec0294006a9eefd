/**
 * solc's command line on top of the compiler in npm, as far as build tools use it: `--version`, and `--standard-json`
 * from stdin to stdout. forge is told to use it, because it would otherwise download a compiler.
 */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

const require = createRequire(import.meta.url);
const solc = require('solc') as { version(): string; compile(input: string): string };

if (process.argv.includes('--version')) {
  // npm's build says "…Emscripten.clang"; tools expect the platform of a native build in that place.
  const version = solc.version().replace(/\.Emscripten.*$/, '');
  process.stdout.write(`solc, the solidity compiler commandline interface\nVersion: ${version}.Linux.g++\n`);
} else if (process.argv.includes('--standard-json')) {
  process.stdout.write(solc.compile(readFileSync(0, 'utf8')));
} else {
  process.stderr.write(
    `solc: only --version and --standard-json are known here, not ${process.argv.slice(2).join(' ')}\n`,
  );
  process.exitCode = 2;
}
