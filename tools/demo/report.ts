import type { StepReport, StoryObserver } from './run-story.ts';

export interface ReportOutput {
  readonly write: (text: string) => void;
  /** Whether a line may be written over; logs and pipes cannot. */
  readonly isTerminal: boolean;
  readonly useColour: boolean;
}

const MARKS = { passed: '✓', failed: '✗', skipped: '–' } as const;
const COLOURS = { passed: 32, failed: 31, skipped: 33 } as const;
const TITLE_WIDTH = 44;

/** Tells the story as a table that grows while it runs. */
export function createTableReport(output: ReportOutput): StoryObserver & { finish(summary: Summary): void } {
  const { write, isTerminal } = output;
  const paint = (code: number, text: string) => (output.useColour ? `\u001b[${code}m${text}\u001b[0m` : text);
  const dim = (text: string) => paint(2, text);

  return {
    onStart({ number, title }) {
      if (isTerminal) write(`  ${number}  … ${title}`);
    },
    onDone(report) {
      // Back to the start of the line and clear it.
      if (isTerminal) write('\r\u001b[2K');
      const mark = paint(COLOURS[report.status], MARKS[report.status]);
      const time = report.status === 'skipped' ? 'skipped' : seconds(report.ms);
      write(
        `  ${report.number}  ${mark} ${report.title.padEnd(TITLE_WIDTH)} ${time.padStart(8)}  ${report.look ?? ''}\n`,
      );
      if (report.did) write(dim(`       ${report.did}\n`));
      if (report.failure) {
        write(`       ${paint(31, 'expected')} ${report.failure.expected}\n`);
        write(`       ${paint(31, 'saw     ')} ${report.failure.seen}\n`);
        if (report.failure.log) write(`       ${paint(31, 'read    ')} ${report.failure.log}\n`);
      }
    },
    finish({ reports, ms, cleanupFailures }) {
      const count = (status: StepReport['status']) =>
        reports.filter((report) => report.status === status).length;
      const failed = count('failed');
      const skipped = count('skipped');
      const parts = [
        paint(32, `${count('passed')} passed`),
        ...(failed ? [paint(31, `${failed} failed`)] : []),
        ...(skipped ? [paint(33, `${skipped} skipped`)] : []),
      ];
      write(`\n  ${parts.join(', ')} in ${seconds(ms)}\n`);
      for (const failure of cleanupFailures) write(`  ${paint(31, 'could not be put back:')} ${failure}\n`);
    },
  };
}

export interface Summary {
  readonly reports: readonly StepReport[];
  readonly ms: number;
  /** What the story changed and could not undo. */
  readonly cleanupFailures: readonly string[];
}

/** The same for programs. */
export function jsonReport({ reports, ms, cleanupFailures }: Summary): string {
  const ok = cleanupFailures.length === 0 && reports.every((report) => report.status === 'passed');
  return JSON.stringify({ ok, ms, steps: reports, cleanupFailures }, null, 2);
}

const seconds = (ms: number) => `${(ms / 1000).toFixed(1)} s`;
