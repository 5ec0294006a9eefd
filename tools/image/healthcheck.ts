import { readFileSync } from 'node:fs';
import { ROLES } from './roles.ts';

// Asks the process that this container runs whether it lives; exit code 0 when it does. Which one that is, and so its
// port, is on the command line of process 1.
const commandLine = readFileSync('/proc/1/cmdline', 'utf8').split('\0');
const role = Object.values(ROLES).find(({ entry }) => commandLine.some((word) => word.endsWith(entry)));
const port = Number(process.env.PORT ?? role?.port ?? Number.NaN);
if (Number.isNaN(port)) {
  console.error(`no role of this image runs here (${commandLine.join(' ')}), and PORT is not set`);
  process.exit(1);
}
try {
  const response = await fetch(`http://127.0.0.1:${port}/livez`, { signal: AbortSignal.timeout(2_500) });
  console.log(`/livez: ${response.status}`);
  process.exit(response.ok ? 0 : 1);
} catch (error) {
  console.error(`/livez on port ${port}: ${error instanceof Error ? error.message : String(error)}`);
  process.exit(1);
}
