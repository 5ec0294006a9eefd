/** The load generator as a process of its own: a job as JSON in its first argument, the result as JSON on stdout. */
import { type LoadJob, runLoad } from './run-load.ts';

const result = await runLoad(JSON.parse(process.argv[2] ?? '{}') as LoadJob);
process.stdout.write(JSON.stringify(result), () => process.exit(0));
