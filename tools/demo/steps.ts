import type { Step } from './story.ts';
export const STEPS: readonly Step[] = [];
