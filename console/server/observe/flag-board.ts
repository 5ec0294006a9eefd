import { maxOf } from './exposition.ts';
import type { Round } from './sampler.ts';

/** One feature flag as one process has it now. */
export interface FlagInProcess {
  readonly process: string;
  readonly value: string;
  /** OpenFeature's word for where the value comes from; `DEFAULT` when the flags file does not name it. */
  readonly reason: string;
  /** False for a flag of the file that no code asks for: a typing slip, or a leftover. */
  readonly known: boolean;
}

export interface FlagView {
  readonly flag: string;
  readonly processes: FlagInProcess[];
  /** Processes do not agree: one has not read the change yet, or reads another file. */
  readonly divided: boolean;
}

export interface FlagsView {
  readonly flags: FlagView[];
  /** Processes whose flags file has mistakes, so that an earlier version of it is in force. */
  readonly mistakenIn: string[];
}

/** Which flags are in force where, as the processes themselves tell (lib/process-flags.ts). */
export function flagsOf(round: Round | undefined): FlagsView {
  const byFlag = new Map<string, FlagInProcess[]>();
  const mistakenIn: string[] = [];
  for (const { target, samples } of round?.readings ?? []) {
    for (const { labels } of samples.get('feature_flag_value') ?? []) {
      const { flag = '', value = '', reason = '', known } = labels;
      byFlag.set(flag, [
        ...(byFlag.get(flag) ?? []),
        { process: target.name, value, reason, known: known === 'true' },
      ]);
    }
    if ((maxOf(samples, 'feature_flags_file_mistakes') ?? 0) > 0) mistakenIn.push(target.name);
  }
  return {
    flags: [...byFlag]
      .sort(([a], [b]) => a.localeCompare(b))
      .map(([flag, processes]) => ({
        flag,
        processes,
        // A process that does not ask for a flag has the file's value all the same; only askers can disagree.
        divided: new Set(processes.filter(({ known }) => known).map(({ value }) => value)).size > 1,
      })),
    mistakenIn,
  };
}
