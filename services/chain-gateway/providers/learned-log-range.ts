import type { Clock } from '../../../lib/time.ts';

/** A limit that was learned is doubted after this long: plans change. */
const KEPT_MS = 600_000;
/** Texts about how much was found, not about how many blocks were asked for. */
const ABOUT_RESULTS = /result|size|response|logs? (?:returned|found|matched)|too many logs/i;
const ABOUT_BLOCKS = /block|range/i;
const NUMBER_OF_BLOCKS = [
  /(\d[\d,_]*)\s*-?\s*blocks?\b/i,
  /(?:range|limit(?:ed)?|max(?:imum)?|up to|exceeds?)[^0-9]{0,30}(\d[\d,_]*)/i,
];

/** Most blocks that a provider takes in one eth_getLogs, learned from how it refuses. */
export interface LearnedLogRange {
  /** undefined while nothing is known. */
  limit(): number | undefined;
  /** @param blocks how many were asked for when it refused with `message` */
  onRefused(blocks: number, message: string): void;
}

export function createLearnedLogRange(clock: Pick<Clock, 'monotonic'>): LearnedLogRange {
  let learned: number | undefined;
  let until = 0;
  return {
    limit: () => (clock.monotonic() < until ? learned : undefined),
    onRefused(blocks, message) {
      const told = toldLimit(message, blocks);
      if (told === undefined) return;
      learned = told;
      until = clock.monotonic() + KEPT_MS;
    },
  };
}

/** The number of blocks that a refusal names; undefined when it is about something else, or names none that fits. */
export function toldLimit(message: string, asked: number): number | undefined {
  if (!ABOUT_BLOCKS.test(message) || ABOUT_RESULTS.test(message)) return undefined;
  for (const pattern of NUMBER_OF_BLOCKS) {
    const told = Number(pattern.exec(message)?.[1]?.replaceAll(/[,_]/g, ''));
    if (Number.isSafeInteger(told) && told >= 1 && told < asked) return told;
  }
  return undefined;
}
