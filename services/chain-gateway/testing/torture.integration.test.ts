import { expect, it } from '@jest/globals';
import { runTorture } from './torture.ts';

/** The short form; run-torture.ts has the long one. */
it('executes every accepted transaction exactly once while everything around it fails', async () => {
  const report = await runTorture({
    transactions: 60,
    callers: 10,
    signers: 2,
    seed: 5,
    blowEveryMs: 2_500,
    log: () => undefined,
  });
  expect(report).toMatchObject({
    accepted: 60,
    lost: 0,
    doubled: 0,
    misreported: 0,
    stuck: 0,
    indexEqualsChain: true,
    seqWithoutGap: true,
  });
  expect(report.successRatio).toBeGreaterThanOrEqual(0.995);
}, 600_000);
