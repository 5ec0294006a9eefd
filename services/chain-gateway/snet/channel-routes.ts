import { z } from 'zod';
import { AppError } from '../../../lib/errors.ts';
import { defineRoute, type Route, reply } from '../../../lib/http/route.ts';
import type { Random } from '../../../lib/random.ts';
import type { Clock } from '../../../lib/time.ts';
import type { Snet } from './create-snet.ts';
import { type Channel, listChannels } from './store/channel-store.ts';
import { type Funding, type FundingKind, insertFunding, lastFunding } from './store/funding-store.ts';

const tags = ['snet'];
const auth = ['service'] as const;
const cogs = z.string().regex(/^\d+$/);
const maybe = cogs.nullable();

const fundingSchema = z
  .object({
    id: z.uuid(),
    kind: z.enum(['open', 'add', 'extend', 'withdraw']),
    amount: cogs,
    expiration: cogs,
    step: z.int(),
    transaction: z.string().nullable(),
    state: z.enum(['active', 'done', 'failed']),
    error: z.string().nullable(),
    createdAt: z.iso.datetime(),
  })
  .meta({ id: 'SnetFunding' });

const channelSchema = z
  .object({
    id: z.uuid(),
    org: z.string(),
    group: z.string(),
    channelId: maybe,
    sender: z.string(),
    signer: z.string(),
    recipient: z.string(),
    nonce: cogs,
    value: cogs,
    expiration: cogs,
    accepted: cogs,
    prepaid: z.object({
      planned: cogs,
      committed: cogs,
      left: z.string(),
      tokenUntil: z.iso.datetime().nullable(),
    }),
    funding: fundingSchema.nullable(),
  })
  .meta({ id: 'SnetChannel' });

const viewFunding = (f: Funding) => ({
  id: f.id,
  kind: f.kind,
  amount: f.amount.toString(),
  expiration: f.expiration.toString(),
  step: f.step,
  transaction: f.transaction ?? null,
  state: f.state,
  error: f.error ?? null,
  createdAt: f.createdAt.toISOString(),
});
const viewChannel = (c: Channel, funding: Funding | undefined) => ({
  id: c.id,
  org: c.org,
  group: c.groupName,
  channelId: c.channelId?.toString() ?? null,
  sender: c.sender,
  signer: c.signer,
  recipient: c.recipient,
  nonce: c.nonce.toString(),
  value: c.chainValue.toString(),
  expiration: c.expiration.toString(),
  accepted: c.accepted.toString(),
  prepaid: {
    planned: c.planned.toString(),
    committed: c.committed.toString(),
    left: (c.planned - c.committed).toString(),
    tokenUntil: c.tokenUntil?.toISOString() ?? null,
  },
  funding: funding ? viewFunding(funding) : null,
});

/** `/internal/snet/channels…`: what operators see and do with payment channels. */
export function createSnetChannelRoutes(deps: { snet: Snet; random: Random; clock: Clock }): Route[] {
  const { snet, random } = deps;
  const { postgres, keeper, directory, file, mpe } = snet;
  const params = z.object({ id: z.uuid() });

  async function find(id: string): Promise<Channel> {
    const channel = (await listChannels(postgres.db)).find((candidate) => candidate.id === id);
    if (!channel)
      throw new AppError('not_found', `There is no channel ${id}; GET /internal/snet/channels lists them.`);
    return channel;
  }

  async function start(channel: Channel, kind: FundingKind, amount: bigint): Promise<Funding> {
    const group = snet.groupOf(channel);
    const threshold = group?.expirationThreshold ?? 0n;
    const head = await mpe.head();
    const funding = await insertFunding(postgres.db, {
      id: random.uuid(),
      channel: channel.id,
      kind,
      amount,
      expiration: head + threshold + BigInt(file.funding.expiryBlocks),
    });
    keeper.poke();
    return funding;
  }

  const list = defineRoute({
    method: 'get',
    path: '/internal/snet/channels',
    operationId: 'listSnetChannels',
    summary: 'List payment channels',
    tags,
    auth,
    responses: { 200: { description: 'Every channel', schema: z.object({ data: z.array(channelSchema) }) } },
    errors: [],
    async handler() {
      for (const group of directory.groups()) await keeper.channelOf(group);
      const channels = await listChannels(postgres.db);
      const data = await Promise.all(
        channels.map(async (channel) => viewChannel(channel, await lastFunding(postgres.db, channel.id))),
      );
      return reply(200, { data });
    },
  });

  const fund = defineRoute({
    method: 'post',
    path: '/internal/snet/channels/{id}/fund',
    operationId: 'fundSnetChannel',
    summary: 'Open a channel, or add funds to it',
    description:
      'Runs as transactions of the configured sender, one step after another; GET shows how far it is.',
    tags,
    auth,
    params,
    body: z.strictObject({ amount: cogs.meta({ description: 'Cogs', examples: ['100000000'] }) }),
    responses: { 202: { description: 'Under way', schema: fundingSchema } },
    errors: ['not_found', 'conflict', 'invalid_argument'],
    async handler({ params: { id }, body }) {
      const channel = await find(id);
      const amount = BigInt(body.amount);
      const { maxDeposit } = file.funding;
      if (amount === 0n) throw new AppError('invalid_argument', 'The amount must be more than 0.');
      if (channel.chainValue + amount > maxDeposit)
        throw new AppError(
          'invalid_argument',
          `The channel has ${channel.chainValue} cogs and may hold ${maxDeposit} (funding.maxDeposit): at most ${maxDeposit > channel.chainValue ? maxDeposit - channel.chainValue : 0n} can be added.`,
        );
      const kind = channel.channelId === undefined ? 'open' : 'add';
      return reply(202, viewFunding(await start(channel, kind, amount)));
    },
  });

  const extend = defineRoute({
    method: 'post',
    path: '/internal/snet/channels/{id}/extend',
    operationId: 'extendSnetChannel',
    summary: 'Move the end of a channel away',
    tags,
    auth,
    params,
    responses: { 202: { description: 'Under way', schema: fundingSchema } },
    errors: ['not_found', 'conflict'],
    async handler({ params: { id } }) {
      const channel = await find(id);
      if (channel.channelId === undefined)
        throw new AppError('conflict', 'There is no channel yet; fund it first.');
      return reply(202, viewFunding(await start(channel, 'extend', 0n)));
    },
  });

  const withdraw = defineRoute({
    method: 'post',
    path: '/internal/snet/channels/{id}/withdraw',
    operationId: 'withdrawSnetChannel',
    summary: 'Take back what was not spent, after the end of the channel',
    tags,
    auth,
    params,
    responses: { 202: { description: 'Under way', schema: fundingSchema } },
    errors: ['not_found', 'conflict'],
    async handler({ params: { id } }) {
      const channel = await find(id);
      const head = await mpe.head();
      if (channel.channelId === undefined || channel.expiration > head)
        throw new AppError(
          'conflict',
          channel.channelId === undefined
            ? 'There is no channel.'
            : `The channel ends at block ${channel.expiration}, and the chain is at ${head}: until then only its recipient can take from it.`,
        );
      return reply(202, viewFunding(await start(channel, 'withdraw', 0n)));
    },
  });

  const books = defineRoute({
    method: 'get',
    path: '/internal/snet/channels/{id}/statement',
    operationId: 'getSnetChannelStatement',
    summary: 'Our books of a channel against the daemon and the chain',
    description:
      'Asks the daemon now. `drift` is 0 when nothing contradicts; anything else is a defect to look into.',
    tags,
    auth,
    params,
    responses: {
      200: {
        description: 'The three books',
        schema: z
          .object({
            channel: channelSchema,
            ours: z.object({
              answered: cogs,
              refunded: cogs,
              held: cogs,
              lost: cogs,
              signed: cogs,
              accepted: cogs,
            }),
            daemon: z.object({
              used: maybe,
              planned: cogs,
              signed: maybe,
              readAt: z.iso.datetime().nullable(),
            }),
            chain: z.object({ deposited: cogs, claimed: cogs, value: cogs }),
            drift: z.object({ prepaid: cogs, escrow: cogs, chain: cogs, total: cogs }),
          })
          .meta({ id: 'SnetChannelStatement' }),
      },
    },
    errors: ['not_found', 'dependency_unavailable', 'chain_unavailable', 'queue_full'],
    async handler({ params: { id } }) {
      await find(id);
      const s = await snet.statement(id);
      const c = s.channel;
      const text = (record: Record<string, bigint>) =>
        Object.fromEntries(Object.entries(record).map(([key, value]) => [key, value.toString()]));
      const { answered, refunded, held, lost } = s.books;
      return reply(200, {
        channel: viewChannel(c, await lastFunding(postgres.db, id)),
        ours: text({ answered, refunded, held, lost, signed: s.signed, accepted: c.accepted }),
        daemon: {
          used: c.daemonUsed?.toString() ?? null,
          planned: c.planned.toString(),
          signed: c.daemonSigned?.toString() ?? null,
          readAt: c.daemonReadAt?.toISOString() ?? null,
        },
        chain: text(s.chain),
        drift: text(s.drift),
      });
    },
  });

  return [list, fund, extend, withdraw, books];
}
