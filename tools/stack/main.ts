import { ExternalsError } from './externals.ts';
import { PortError } from './ports.ts';
import {
  childTable,
  createReport,
  credentialsTable,
  painter,
  type Report,
  terminalScreen,
} from './report.ts';
import { resetStack, stopStack } from './shutdown.ts';
import { AlreadyRunningError, type Stack, startStack } from './start-stack.ts';
import { type ChildState, stateDirectory } from './state.ts';
import { stackStatus } from './status.ts';
import { StartError } from './supervisor.ts';

const USAGE = `Usage: node tools/stack/main.ts up | status | down | reset

  up      start everything in the foreground; Ctrl-C stops it
  status  what runs and how it is; exit code 0 when all is ready (--json for programs)
  down    stop everything that \`up\` started
  reset   down, and forget everything: chain, database, queues, secrets, logs

STATE_DIR chooses the state folder. DATABASE_URL, REDIS_URL and RPC_URLS replace the embedded parts.
GATEWAY_PORT, API_PORT, USER_PORT, ANVIL_PORT, POSTGRES_PORT, REDIS_PORT, … choose ports.`;

/** Exit code of a program that was interrupted by Ctrl-C. */
const EXIT_INTERRUPTED = 130;

function showProgress(report: Report): { note(name: string, state: ChildState | 'done'): void; end(): void } {
  const busy = new Set<string>();
  const from = performance.now();
  let ended = false;
  const draw = (): void => {
    if (ended) return;
    const waiting = busy.size === 0 ? '' : `, waiting for ${[...busy].join(', ')}`;
    report.progress(`  … ${Math.round((performance.now() - from) / 1000)} s${waiting}`);
  };
  const timer = setInterval(draw, 500);
  return {
    note(name, state) {
      if (state === 'starting') busy.add(name);
      else busy.delete(name);
      draw();
    },
    end() {
      ended = true;
      clearInterval(timer);
      report.progress('');
    },
  };
}

async function up(): Promise<number> {
  const report = createReport(terminalScreen());
  const { paint } = report;
  const stateDir = stateDirectory();
  const from = performance.now();
  report.print(paint('bold', 'Starting the Rejuve platform. Ctrl-C stops everything.'));
  const progress = showProgress(report);

  let interrupted = false;
  let stack: Pick<Stack, 'stop' | 'killAll'> | undefined;
  let finish: () => void = () => undefined;
  const finished = new Promise<void>((resolve) => {
    finish = resolve;
  });
  const stop = (why: string): void => {
    progress.end();
    if (interrupted) {
      report.note('again: ending everything at once', 'red');
      stack?.killAll();
      setTimeout(() => process.exit(EXIT_INTERRUPTED), 500);
      return;
    }
    interrupted = true;
    report.print('');
    report.note(`${why}: stopping everything (Ctrl-C again does not wait)`);
    void (stack?.stop() ?? Promise.resolve()).then(finish);
  };
  process.on('SIGINT', () => stop('Ctrl-C'));
  process.on('SIGTERM', () => stop('asked to stop'));
  process.on('SIGHUP', () => stop('the terminal was closed'));

  try {
    const started = await startStack({
      stateDir,
      onEvent: (event) => {
        report.event(event);
        progress.note(
          event.name,
          event.what === 'starting' || event.what === 'restarting' ? 'starting' : 'done',
        );
      },
      onNote: (text) => report.note(text, 'yellow'),
      onStarting: (starting) => {
        stack = starting;
      },
      onStopRequest: () => stop('`make down`'),
    });
    progress.end();
    if (!interrupted) {
      const state = started.state();
      const seconds = ((performance.now() - from) / 1000).toFixed(1);
      report.print(`\n${paint('green', `Ready after ${seconds} s.`)}\n`);
      report.print(childTable(state, paint, state.children));
      report.print(`\n${credentialsTable(state, paint)}\n`);
      report.print(
        '  Next: `make demo` in another terminal drives the whole story; `make status` shows this again.\n',
      );
    }
    await finished;
    report.note('all stopped');
    return 0;
  } catch (error) {
    progress.end();
    if (error instanceof AlreadyRunningError) {
      report.note(`${error.message} This is it:`, 'yellow');
      return await status();
    }
    if (interrupted) {
      await finished;
      return EXIT_INTERRUPTED;
    }
    const expected =
      error instanceof StartError || error instanceof PortError || error instanceof ExternalsError;
    const text = expected ? (error as Error).message : ((error as Error).stack ?? String(error));
    report.print(`\n${paint('red', 'The platform cannot start.')}\n${text}`);
    return 1;
  }
}

async function status(json = false): Promise<number> {
  const seen = await stackStatus(stateDirectory());
  if (json) {
    console.log(
      JSON.stringify({ running: seen.running, ready: seen.ready, children: seen.children }, null, 2),
    );
    return seen.ready ? 0 : 1;
  }
  const paint = painter(terminalScreen().colours);
  if (!seen.running || seen.state === undefined) {
    console.log('Nothing runs here. Start it with `make up`.');
    return 1;
  }
  console.log(
    `\n${childTable(seen.state, paint, seen.children)}\n\n${credentialsTable(seen.state, paint)}\n`,
  );
  console.log(seen.ready ? paint('green', '  All is ready.') : paint('red', '  Not everything is ready.'));
  return seen.ready ? 0 : 1;
}

async function down(): Promise<number> {
  const found = await stopStack(stateDirectory());
  const text = {
    stopped: 'Stopped.',
    orphans: 'Ended what a killed run left behind.',
    nothing: 'Nothing runs here.',
  };
  console.log(text[found]);
  return 0;
}

async function reset(): Promise<number> {
  const stateDir = stateDirectory();
  await resetStack(stateDir);
  console.log(`Forgot everything in ${stateDir}. The next \`make up\` starts afresh.`);
  return 0;
}

const [command, ...rest] = process.argv.slice(2);
const commands: Record<string, () => Promise<number>> = {
  up,
  status: () => status(rest.includes('--json')),
  down,
  reset,
};
const chosen = commands[command ?? ''];
if (chosen === undefined) {
  console.error(USAGE);
  process.exit(2);
}
process.exit(await chosen());
