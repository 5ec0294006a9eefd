import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { CATALOGUE } from './catalogue.ts';
import { chaosTable } from './report.ts';
import { runFault } from './run-chaos.ts';
import { type ChaosStage, startChaosStage } from './world.ts';

/**
 * The subset of the catalogue that runs with every change; all of it is `make chaos`. Latency needs a machine that has
 * nothing else to do, so promises 1 and 3 are judged there and not here.
 */
const QUICK = CATALOGUE.filter(({ quick }) => quick);
const JUDGED = [2, 4, 5, 6, 7];

let stage: ChaosStage;
beforeAll(async () => {
  stage = await startChaosStage({ say: () => undefined, prometheus: false });
}, 180_000);
afterAll(() => stage?.stop(), 60_000);

describe('under load', () => {
  it.each(QUICK.map((fault) => [fault.title, fault] as const))(
    '%s: every promise is kept, or recovered in time',
    async (_title, fault) => {
      const report = await runFault({ ...stage, fault });
      expect(report.failed).toBeUndefined();
      const broken = report.cells.filter(
        ({ promise, verdict }) => JUDGED.includes(promise) && verdict !== 'kept' && verdict !== 'recovered',
      );
      expect([chaosTable([report]), broken]).toEqual([chaosTable([report]), []]);
    },
    150_000,
  );
});
