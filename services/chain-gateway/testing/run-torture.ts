import { startTestServers, TEST_POSTGRES_URL, TEST_REDIS_URL } from '../../../tools/testing/servers.ts';
import { runTorture } from './torture.ts';

/** `node run-torture.ts [--transactions N] [--callers N] [--signers N] [--seed N] [--blow-every MS]`: prints the report; exits 1 when a promise is broken. */
const option = (name: string, fallback: number): number => {
  const at = process.argv.indexOf(`--${name}`);
  return at < 0 ? fallback : Number(process.argv[at + 1]);
};
// Ctrl-C and SIGTERM take everything down that was started.
const stopped = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.once(signal, () => stopped.abort(new Error(`stopped by ${signal}`)));
const servers = await startTestServers();
process.env[TEST_POSTGRES_URL] = servers.postgresUrl;
process.env[TEST_REDIS_URL] = servers.redisUrl;
try {
  const report = await runTorture({
    transactions: option('transactions', 5_000),
    callers: option('callers', 50),
    signers: option('signers', 4),
    seed: option('seed', 1),
    blowEveryMs: option('blow-every', 3_000),
    signal: stopped.signal,
    log: (line) => process.stderr.write(`${line}\n`),
  });
  process.stdout.write(`${JSON.stringify(report, null, 2)}\n`);
  const { lost, doubled, misreported, stuck, successRatio, indexEqualsChain, seqWithoutGap } = report;
  process.exitCode =
    lost + doubled + misreported + stuck > 0 || successRatio < 0.995 || !indexEqualsChain || !seqWithoutGap
      ? 1
      : 0;
} finally {
  await servers.stop();
  if (stopped.signal.aborted) process.exit(130);
}
