import { isKnownMethod, methodSpec } from '../../rpc/methods.ts';

/** Kinds of calls that have a bucket of their own inside a principal's, because a few of them can keep a provider busy. */
export type MethodClass = 'read' | 'logs' | 'trace' | 'write';

/** Share of a principal's limit that one class may use; plain reads may use all of it. */
export const CLASS_SHARE: Readonly<Record<MethodClass, number>> = {
  read: 1,
  logs: 0.5,
  trace: 0.25,
  write: 0.5,
};

/** What a call costs that needs no provider: answered from memory, riding along with another, or refused. */
export const LEAST_UNITS = 1;

const LOGS = new Set(['eth_getLogs', 'eth_getFilterLogs', 'eth_getBlockReceipts']);

export function methodClass(method: string): MethodClass {
  if (LOGS.has(method)) return 'logs';
  if (method.startsWith('debug_') || method.startsWith('trace_')) return 'trace';
  return isKnownMethod(method) && methodSpec(method)?.write === true ? 'write' : 'read';
}

/** Units taken when a call arrives; what it turns out not to need goes back. */
export function admissionUnits(method: string): number {
  return Math.max(LEAST_UNITS, methodSpec(method)?.units ?? LEAST_UNITS);
}
