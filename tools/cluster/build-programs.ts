import { buildPrograms, missingPrograms } from './build.ts';
import { PROGRAMS, type ProgramName } from './programs.ts';

// Builds the named programs (all of them without a name) into the cache, with progress; nothing to do is quick.
const known = Object.keys(PROGRAMS) as ProgramName[];
const asked = process.argv.slice(2);
const unknown = asked.filter((name) => !known.includes(name as ProgramName));
if (unknown.length > 0) {
  console.error(`Unknown: ${unknown.join(', ')}. Programs: ${known.join(', ')}`);
  process.exit(2);
}
const names = asked.length > 0 ? (asked as ProgramName[]) : known;
const missing = missingPrograms(names);
if (missing.length > 0)
  console.log(`To build once: ${missing.join(', ')}. A first build of all takes about a quarter of an hour.`);
try {
  await buildPrograms(names, (line) => console.log(line));
} catch (error) {
  console.error(error instanceof Error ? error.message : String(error));
  process.exit(1);
}
