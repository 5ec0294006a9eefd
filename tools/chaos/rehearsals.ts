import type { Fault } from './fault.ts';

/** What pages are for and no fault of the catalogue brings about: done only to see the alert fire. */
export const REHEARSALS: readonly Fault[] = [];
