import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createSeededRandom } from '../../lib/random.ts';
import { createCleanup } from './cleanup.ts';
import {
  inboxRows,
  requireBalance,
  requireBalancedEntry,
  requireBalancedLedger,
  requireOneInboxRow,
} from './consistency.ts';
import { expectEqual } from './demo-failure.ts';
import { eventually } from './eventually.ts';
import { followTransaction, requireMined } from './follow-transaction.ts';
import { newWallet, signIn } from './person.ts';
import { requestTransfer } from './request-transfer.ts';
import { createStory, type Story } from './story.ts';
import { type E2eStack, startE2eStack } from './testing/e2e-stack.ts';
import { runKillStorm } from './testing/kill-storm.ts';

const START_MS = 120_000;
/** A crash, a restart with backoff, and then everything that was waiting. */
const RECOVER_MS = 60_000;
const TEST_MS = 150_000;
const STORM_MS = 15_000;

/**
 * Every process of ours, both stores, and the chain (which comes back some blocks short: a reorg). Each is killed while
 * a transfer is under way.
 */
const ROLES = ['gateway-worker', 'gateway', 'gateway-indexer', 'user', 'api', 'redis', 'postgres', 'anvil'];

describe('kill -9', () => {
  let platform: E2eStack;
  let story: Story;
  const hashes: string[] = [];
  let expectedBalance = 0n;

  beforeAll(async () => {
    platform = await startE2eStack();
    const abort = new AbortController();
    story = createStory({ stack: platform.access, signal: abort.signal, cleanup: createCleanup() });
    const { person } = await signIn(story.user, newWallet(), platform.access.state.chainId);
    story.facts.person = person;
  }, START_MS);
  afterAll(() => platform?.stop(), START_MS);

  const restartsOf = (role: string) => platform.stack.state().children[role]?.restarts ?? 0;
  const allReady = () =>
    Object.values(platform.stack.state().children).every((child) => child.state === 'ready');
  const within = (expected: string) => ({ expected, withinMs: RECOVER_MS, signal: story.signal });

  /** Access tokens live five minutes; this test may not be faster everywhere. */
  async function refresh(): Promise<void> {
    const person = story.fact('person');
    const { body } = await story.user.post('/v1/auth/refresh', {
      body: { refreshToken: person.refreshToken },
    });
    story.facts.person = { ...person, accessToken: body.accessToken, refreshToken: body.refreshToken };
  }

  it.each(ROLES.map((role, index) => [role, BigInt(index + 1)] as const))(
    'of %s loses nothing and does nothing twice',
    async (role, rawAmount) => {
      try {
        await refresh();
        const { wallet } = story.fact('person');
        const restarts = restartsOf(role);
        const transfer = { to: wallet.address, rawAmount, idempotencyKey: crypto.randomUUID() };
        const { body } = await requestTransfer(story, transfer);
        // At once: the transaction is somewhere between accepted and mined.
        await platform.stack.control.child(role, 'kill');

        await eventually(within(`${role} to be restarted and everything to be ready`), () =>
          restartsOf(role) > restarts && allReady() ? true : undefined,
        );
        // A client that never got the answer asks again: still one transaction.
        const again = await requestTransfer(story, transfer);
        expect(again.body.id).toBe(body.id);

        const token = platform.access.credential('apiKey');
        const follow = { token, until: 'confirmed', withinMs: RECOVER_MS } as const;
        const { hash } = requireMined(await followTransaction(story, body.id, follow));
        hashes.push(hash);
        expectedBalance += rawAmount;
        await eventually(within('exactly one inbox row'), () => requireOneInboxRow(story, hash));
        await eventually(within('one balanced ledger entry'), async () => {
          await requireBalancedEntry(story, hash, { wallet: wallet.address, rawAmount });
          return true;
        });
        await requireBalance(story, wallet.address, expectedBalance, RECOVER_MS);
      } catch (error) {
        console.error(`${(error as Error).message}\n${await platform.logs()}`);
        throw error;
      }
    },
    TEST_MS,
  );

  it(
    'again and again, of one after another by chance, loses nothing and does nothing twice',
    async () => {
      const seed = Date.now() % 1_000_000;
      let storm: Awaited<ReturnType<typeof runKillStorm>> = { accepted: [], kills: [] };
      try {
        await refresh();
        const { wallet } = story.fact('person');
        storm = await runKillStorm({
          story,
          control: platform.stack.control,
          roles: ROLES,
          lastsMs: STORM_MS,
          random: createSeededRandom(seed),
          to: wallet.address,
          rawAmount: 1n,
        });
        await eventually(within('everything to be ready'), () => (allReady() ? true : undefined));
        await refresh();
        expectedBalance += BigInt(storm.accepted.length);
        await requireBalance(story, wallet.address, expectedBalance, RECOVER_MS);
        const token = platform.access.credential('apiKey');
        for (const id of storm.accepted) {
          const follow = { token, until: 'confirmed', withinMs: RECOVER_MS } as const;
          hashes.push(requireMined(await followTransaction(story, id, follow)).hash);
        }
        expect(new Set(hashes).size).toBe(hashes.length);
      } catch (error) {
        const told = `seed ${seed}, ${storm.accepted.length} transfers, killed ${storm.kills.join(' ')}`;
        console.error(`${told}\n${(error as Error).message}\n${await platform.logs()}`);
        throw error;
      }
    },
    STORM_MS + TEST_MS,
  );

  it(
    'left exactly one inbox row and one balanced ledger entry for every transfer, at the end of it all',
    async () => {
      const rows = async () =>
        (await inboxRows(story)).filter((row) => row.type === 'transfer.in' && row.stage !== 'reverted');
      await eventually(within(`${hashes.length} inbox rows`), async () => {
        expectEqual((await rows()).length, hashes.length, 'the number of inbox rows', 'user');
        return true;
      });
      expect((await rows()).map((row) => row.data.transactionHash).sort()).toEqual([...hashes].sort());
      await requireBalancedLedger(story, hashes.length);
    },
    TEST_MS,
  );
});
