import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { fuzz, schemathesis, whyNotFuzzable } from '../../../tools/fuzz/schemathesis.ts';
import { WALLET } from '../docs/examples.ts';
import { type ApiHarness, BOOTSTRAP_KEY, startApiHarness } from './api-harness.ts';

/** Requests per operation and phase; FUZZ_EXAMPLES=200 is the thorough run. */
const EXAMPLES = Number(process.env.FUZZ_EXAMPLES ?? 8);
const SEED = Number(process.env.FUZZ_SEED ?? 20_261_123);
const reason = whyNotFuzzable();
if (reason !== undefined) console.warn(`Skipped: ${reason}.`);

/** Every operation of the published document, with all checks on: no 5xx, no undocumented status, no schema violation. */
(reason === undefined ? describe : describe.skip)('the API under property-based fuzzing', () => {
  let h: ApiHarness;
  beforeAll(async () => {
    await schemathesis();
    // A fuzzer that waits for the end of a stream would wait for an hour.
    h = await startApiHarness({ STREAM_MAX_MS: '300' });
    h.user.owners.set(WALLET, 'ada');
  }, 400_000);
  afterAll(() => h?.stop());

  it.each([
    ['nobody', async () => ({})],
    ['a person', async () => ({ user: await h.user.accessToken('ada', { expiresInSeconds: 3_600 }) })],
    ['a client with every scope', async () => ({ 'api-key': BOOTSTRAP_KEY })],
  ] as const)(
    'answers %s as documented, whatever is sent',
    async (who, bearers) => {
      const { ok, report } = await fuzz({
        url: h.url,
        config: join(import.meta.dirname, 'schemathesis.toml'),
        bearers: await bearers(),
        maxExamples: EXAMPLES,
        seed: SEED,
        timeoutMs: 1_200_000,
      });
      if (!ok) throw new Error(report.slice(-12_000));
      const cases = Number(/(\d+) generated/.exec(report)?.[1] ?? 0);
      process.stderr.write(`${who}: ${cases} requests\n`);
      // A run that sent nothing has found nothing.
      expect(cases).toBeGreaterThan(500);
    },
    1_300_000,
  );
});
