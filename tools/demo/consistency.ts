import { DemoFailure, expectEqual, expectThat } from './demo-failure.ts';
import { eventually } from './eventually.ts';
import type { Story } from './story.ts';
import { balanceOnChain, rjvBalance } from './wallet-reads.ts';

/** A row of her inbox; the fields that the story uses. */
export interface InboxRow {
  readonly id: string;
  readonly type: string;
  readonly stage: string;
  readonly data: Readonly<Record<string, unknown>>;
}

interface LedgerEntry {
  readonly kind: string;
  readonly transactionHash: string | null;
  readonly postings: readonly {
    own: boolean;
    wallet: string | null;
    assetId: string;
    amount: { raw: string };
  }[];
}

/** Pages are followed to their end, but not for ever. */
const MOST_PAGES = 50;

async function everyPage<T>(story: Story, path: string): Promise<T[]> {
  const { accessToken: token } = story.fact('person');
  const rows: T[] = [];
  let cursor: string | null = null;
  for (let page = 0; page < MOST_PAGES; page++) {
    const { body }: { body: { data: T[]; page: { next: string | null } } } = await story.user.get(path, {
      token,
      query: { limit: '200', ...(cursor !== null && { cursor }) },
    });
    rows.push(...body.data);
    cursor = body.page.next;
    if (cursor === null) return rows;
  }
  throw new DemoFailure({
    expected: `${path} to end`,
    seen: `${MOST_PAGES} pages and no end`,
    service: 'user',
  });
}

export const inboxRows = (story: Story) => everyPage<InboxRow>(story, '/v1/notifications');

/**
 * Fails unless her inbox holds exactly one row for the transaction, and answers it. A row that is `reverted` says that
 * a block with it was taken back: true, and not a second message about the same thing.
 */
export async function requireOneInboxRow(story: Story, hash: string): Promise<InboxRow> {
  const rows = (await inboxRows(story)).filter(
    (row) => row.data.transactionHash === hash && row.stage !== 'reverted',
  );
  expectEqual(rows.length, 1, `the number of inbox rows for ${hash}`, 'user');
  return rows[0] as InboxRow;
}

/**
 * Fails unless the ledger has the transaction once, giving her `rawAmount`, and every entry of hers balances. An entry
 * and its reversal, after a block was taken back, cancel each other out.
 */
export async function requireBalancedEntry(
  story: Story,
  hash: string,
  transfer: { wallet: string; rawAmount: bigint },
): Promise<void> {
  const log = await everyPage<LedgerEntry>(story, '/v1/me/ledger/transactions');
  for (const entry of log) requireBalanced(entry);
  const entries = log.filter((entry) => entry.transactionHash === hash);
  const net = entries.reduce((sum, entry) => sum + (entry.kind === 'reversal' ? -1 : 1), 0);
  expectEqual(net, 1, `the number of ledger entries for ${hash}, less reversals,`, 'user');
  const postings = entries.flatMap((entry) =>
    entry.postings.filter((posting) => posting.wallet === transfer.wallet),
  );
  const own = postings.reduce((sum, posting) => sum + BigInt(posting.amount.raw), 0n);
  expectEqual(own, transfer.rawAmount, 'the sum of her postings', 'user');
}

/** Fails unless every entry of hers balances and there are `transfers` incoming ones, less those taken back. */
export async function requireBalancedLedger(story: Story, transfers: number): Promise<void> {
  const log = await everyPage<LedgerEntry>(story, '/v1/me/ledger/transactions');
  for (const entry of log) requireBalanced(entry);
  const count = (kind: string) => log.filter((entry) => entry.kind === kind).length;
  expectEqual(
    count('transfer.in') - count('reversal'),
    transfers,
    'the number of incoming transfers in the ledger',
    'user',
  );
}

function requireBalanced(entry: LedgerEntry): void {
  const sums = new Map<string, bigint>();
  for (const { assetId, amount } of entry.postings)
    sums.set(assetId, (sums.get(assetId) ?? 0n) + BigInt(amount.raw));
  expectThat(entry.postings.length >= 2, 'a ledger entry to have two postings at least', entry, 'user');
  expectThat(
    [...sums.values()].every((sum) => sum === 0n),
    'the postings of an entry to sum to zero',
    entry,
    'user',
  );
}

/**
 * Fails unless three sources agree on her RJV: the API, the contract at the very block that the API names, and the
 * ledger (which follows events, and may be an instant behind).
 */
export async function requireBalance(
  story: Story,
  address: string,
  rawAmount: bigint,
  withinMs: number,
): Promise<void> {
  const { signal } = story;
  const wanted = rawAmount.toString();
  const answer = await eventually(
    { expected: `the API to answer ${wanted} raw RJV`, withinMs, signal },
    async () => {
      const balance = await rjvBalance(story, address);
      expectEqual(balance.raw, wanted, 'her balance at the API', 'api');
      return balance;
    },
  );
  const onChain = await balanceOnChain(story, address, answer.asOf.blockNumber);
  expectEqual(
    onChain.toString(),
    answer.raw,
    `balanceOf at block ${answer.asOf.blockNumber}`,
    'gateway-indexer',
  );
  await eventually({ expected: `the ledger to say ${wanted} raw RJV`, withinMs, signal }, async () => {
    expectEqual(await ledgerBalance(story, address), wanted, 'her wallet in the ledger', 'user');
    return true;
  });
}

async function ledgerBalance(story: Story, address: string): Promise<string> {
  const { body } = await story.user.get('/v1/me/ledger/balances', {
    token: story.fact('person').accessToken,
  });
  const rjv = body.data.find((line: { symbol: string }) => line.symbol === 'RJV');
  const account = rjv?.accounts.find((entry: { wallet: string | null }) => entry.wallet === address);
  return account?.balance.raw ?? '0';
}
