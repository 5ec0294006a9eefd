import { readFileSync } from 'node:fs';

/** Linux reports CPU time in ticks of this many milliseconds (USER_HZ is 100 everywhere). */
const TICK_MS = 10;

export interface ProcessUsage {
  /** User and system time of the process since its start. */
  readonly cpuMs: number;
  readonly residentBytes: number;
}

/** Reads CPU and memory from /proc, from outside: the measured process does no work for it. */
export function readProcessUsage(pid: number): ProcessUsage {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  // The command name is in parentheses and may hold spaces.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return {
    cpuMs: (Number(fields[11]) + Number(fields[12])) * TICK_MS,
    residentBytes: Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1] ?? 0) * 1_024,
  };
}
