import { driveStory } from '../../demo/drive.ts';
import { type Check, CheckFailure } from '../check.ts';
import { openRelease } from '../cluster-access.ts';

/** Scraping single pods needs a way to them; through port-forwards there is none. */
const WITHOUT_PODS = [
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
  async run({ release, target, folder, log }) {
    const stack = await openRelease(release, folder);
    const { reports, ms, cleanupFailures } = await driveStory({
      stack,
      only: target.kind === 'own' ? undefined : WITHOUT_PODS,
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
