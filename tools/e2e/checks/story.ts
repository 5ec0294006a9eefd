import { driveStory } from '../../demo/drive.ts';
import { type Check, CheckFailure } from '../check.ts';
import { openRelease } from '../cluster-access.ts';

/**
 * All but the last step: it reads counters of single processes, of which a Service answers for any one. Here
 * `helm test` looks at the metrics.
 */
const STEPS = [
  'sign-in',
  'link-wallet',
  'empty-wallet',
  'receive-tokens',
  'notification',
  'health-data',
  'provider-outage',
];

export const storyCheck: Check = {
  id: 'story',
  title: 'The demo story, through the Service addresses',
  needs: ['install'],
  async run({ release, folder, log }) {
    const stack = await openRelease(release, folder);
    const { reports, ms, cleanupFailures } = await driveStory({
      stack,
      only: STEPS,
      signal: AbortSignal.timeout(600_000),
      observer: {
        onStart: () => undefined,
        onDone: ({ status, title, did }) =>
          log(`  ${status === 'passed' ? '✓' : '✗'} ${title}${did ? `: ${did}` : ''}`),
      },
    });
    const failed = reports.filter(({ status }) => status !== 'passed');
    if (failed.length > 0 || cleanupFailures.length > 0)
      throw new CheckFailure(
        [
          ...failed.map(
            ({ title, failure, did }) =>
              `${title}: ${failure ? `expected ${failure.expected}; seen: ${failure.seen}` : did}`,
          ),
          ...cleanupFailures,
        ].join('\n      '),
      );
    return `${reports.length} of ${reports.length} steps in ${(ms / 1000).toFixed(1)} s; ${reports[6]?.did ?? ''}`;
  },
};
