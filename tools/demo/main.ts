import { parseArgs } from 'node:util';
import { stateDirectory } from '../stack/state.ts';
import { driveStory } from './drive.ts';
import { createTableReport, jsonReport } from './report.ts';
import { UnknownStepError } from './run-story.ts';
import { NoStackError, openStack } from './stack-access.ts';
import { STEPS } from './steps.ts';

const USAGE = `Usage: node tools/demo/main.ts [--only STEP[,STEP]] [--json] [--state-dir DIR]

Drives the first whole story against the platform that \`make up\` started, and tells it as a table.
  --only STEP   run only these steps, by number or id, and those they need
  --json        print one JSON document at the end instead of the table
  --state-dir   state folder of the stack (STATE_DIR, or .state)
  --help        this text

Steps:
${STEPS.map((step, index) => `  ${index + 1}  ${step.id.padEnd(16)} ${step.title}`).join('\n')}

Exit code: 0 all passed, 1 a step failed, 2 nothing could be run, 130 interrupted.`;

async function main(): Promise<number> {
  const abort = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM'] as const) {
    // A second Ctrl-C changes nothing: what was switched off is being switched on again, with deadlines.
    process.on(name, () => abort.abort(new InterruptedError()));
  }
  try {
    const { values } = parseArgs({
      options: {
        only: { type: 'string', multiple: true },
        json: { type: 'boolean' },
        'state-dir': { type: 'string' },
        help: { type: 'boolean', short: 'h' },
      },
    });
    if (values.help) {
      console.log(USAGE);
      return 0;
    }
    const stack = openStack(
      stateDirectory({ ...process.env, ...(values['state-dir'] && { STATE_DIR: values['state-dir'] }) }),
    );
    const isTerminal = process.stdout.isTTY === true;
    const table = createTableReport({
      write: (text) => void process.stdout.write(text),
      isTerminal,
      useColour: isTerminal && !process.env.NO_COLOR,
    });
    const quiet = { onStart: () => undefined, onDone: () => undefined };
    const summary = await driveStory({
      stack,
      only: values.only?.flatMap((text) => text.split(',')).map((text) => text.trim()),
      signal: abort.signal,
      observer: values.json ? quiet : table,
    });
    if (values.json) console.log(jsonReport(summary));
    else table.finish(summary);
    const passed = summary.reports.every((report) => report.status === 'passed');
    return passed && summary.cleanupFailures.length === 0 ? 0 : 1;
  } catch (error) {
    if (abort.signal.aborted) {
      console.error('\nInterrupted; what the story switched off is on again.');
      return 130;
    }
    const isUsage = (error as NodeJS.ErrnoException).code?.startsWith('ERR_PARSE_ARGS');
    if (error instanceof NoStackError || error instanceof UnknownStepError || isUsage) {
      console.error((error as Error).message);
      return 2;
    }
    throw error;
  }
}

class InterruptedError extends Error {
  override readonly name = 'InterruptedError';
}

process.exitCode = await main();
