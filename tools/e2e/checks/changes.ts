import { randomBytes } from 'node:crypto';
import { type Check, expectThat, seconds } from '../check.ts';
import { installWatched } from '../deploy.ts';

/** A setting that changes nothing but the configuration checksum of every part of ours: all of their pods roll. */
const ROLL = { logLevel: 'warn' };

export const upgradeCheck: Check = {
  id: 'upgrade',
  title: 'helm upgrade of every part, under load',
  needs: ['install'],
  async run({ release, values, underLoad, figure }) {
    let took = '';
    const load = await underLoad(async () => {
      const from = performance.now();
      await installWatched(release, { ...values, ...ROLL });
      took = seconds(from);
    });
    figure('upgrade', Number.parseFloat(took), 's');
    return `every pod replaced in ${took}: ${load.text}`;
  },
};

export const rollbackCheck: Check = {
  id: 'rollback',
  title: 'helm rollback, under load',
  needs: ['upgrade'],
  async run({ release, underLoad }) {
    const history = JSON.parse(await release.helm('history', release.name, '-o', 'json')) as {
      revision: number;
    }[];
    const before = history.at(-2)?.revision;
    let took = '';
    const load = await underLoad(async () => {
      const from = performance.now();
      await release.helm('rollback', release.name, String(before), '--wait', '--timeout', '8m');
      took = seconds(from);
    });
    return `back at revision ${before} in ${took}: ${load.text}`;
  },
};

export const rotationCheck: Check = {
  id: 'rotation',
  title: 'The keys of service tokens are rotated under load',
  needs: ['install'],
  async run({ release, values, underLoad }) {
    const name = `${release.name}-made`;
    const old = await release.secret(name, 'service-auth-keys');
    const fresh = `r${randomBytes(3).toString('hex')}:${randomBytes(32).toString('base64url')}`;
    const from = performance.now();
    const load = await underLoad(async () => {
      // Known by all, then used by all, then alone: no step depends on pods changing at the same time.
      for (const keys of [`${old},${fresh}`, `${fresh},${old}`, fresh]) {
        const data = { 'service-auth-keys': Buffer.from(keys).toString('base64') };
        await release.kubectl('patch', 'secret', name, '--type=merge', '-p', JSON.stringify({ data }));
        await installWatched(release, values);
      }
    });
    const kept = await release.secret(name, 'service-auth-keys');
    expectThat(
      kept === fresh,
      'the release to keep the new key',
      kept === old ? 'the old one' : 'another one',
    );
    return `old and new, new and old, new alone, each rolled out, in ${seconds(from)}: ${load.text}`;
  },
};
