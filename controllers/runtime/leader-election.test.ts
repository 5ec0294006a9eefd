import { describe, expect, it } from '@jest/globals';
import { createLogger } from '../../lib/log.ts';
import { createSeededRandom } from '../../lib/random.ts';
import { createManualClock, type ManualClock } from '../../lib/time.ts';
import type { KubeClient } from './kube-client.ts';
import { KubeError } from './kube-error.ts';
import { createLeaderElection } from './leader-election.ts';
import type { Lease } from './resources.ts';

/** A Lease with the optimistic concurrency of an API server, and a switch that cuts a client off. */
function fakeServer() {
  let lease: Lease | undefined;
  let version = 0;
  const store = (body: Lease): Lease => {
    version++;
    lease = { ...body, metadata: { ...body.metadata, resourceVersion: String(version) } };
    return structuredClone(lease);
  };
  const connect = () => {
    const link = { up: true, writes: 0 };
    const guard = () => {
      if (!link.up) throw new KubeError('lease', 0, { message: 'no answer' });
    };
    const client = {
      async get() {
        guard();
        if (!lease) throw new KubeError('lease', 404, { reason: 'NotFound' });
        return structuredClone(lease);
      },
      async create(_r: unknown, _n: string, body: Lease) {
        guard();
        if (lease) throw new KubeError('lease', 409, { reason: 'AlreadyExists' });
        link.writes++;
        return store(body);
      },
      async update(_r: unknown, _n: string, _name: string, body: Lease) {
        guard();
        if (body.metadata?.resourceVersion !== String(version))
          throw new KubeError('lease', 409, { reason: 'Conflict' });
        link.writes++;
        return store(body);
      },
    } as unknown as Pick<KubeClient, 'get' | 'create' | 'update'>;
    return { link, client };
  };
  return {
    connect,
    holder: () => lease?.spec?.holderIdentity,
    owners: () => lease?.metadata?.ownerReferences?.map(({ uid }) => uid),
  };
}

const log = createLogger({ service: 'test', level: 'silent' });
function candidate(server: ReturnType<typeof fakeServer>, clock: ManualClock, identity: string) {
  const { link, client } = server.connect();
  const election = createLeaderElection({
    client,
    clock,
    random: createSeededRandom(identity.length),
    log,
    namespace: 'ns',
    name: 'lease',
    identity,
    pod: { name: identity, uid: `uid-${identity}` },
  });
  let lost: Error | undefined;
  election.lost.catch((error: Error) => {
    lost = error;
  });
  void election.start().catch(() => undefined);
  return { election, link, lost: () => lost };
}

describe('leader election', () => {
  it('lets exactly one lead, and the other take over when it goes silent', async () => {
    const clock = createManualClock();
    const server = fakeServer();
    const a = candidate(server, clock, 'a');
    await clock.advance(100);
    const b = candidate(server, clock, 'bb');
    await clock.advance(30_000);
    expect([a.election.leads(), b.election.leads()]).toEqual([true, false]);
    // It goes with the pod of its leader.
    expect(server.owners()).toEqual(['uid-a']);

    a.link.up = false;
    for (let ms = 0; ms < 40_000; ms += 100) {
      await clock.advance(100);
      expect(a.election.leads() && b.election.leads()).toBe(false);
    }
    expect(server.holder()).toBe('bb');
    expect(server.owners()).toEqual(['uid-bb']);
    expect(b.election.leads()).toBe(true);
    expect(a.lost()?.message).toBe('leadership of ns/lease was lost: it could not be renewed for 10000 ms');
  });

  it('is handed over at once on a clean shutdown', async () => {
    const clock = createManualClock();
    const server = fakeServer();
    const a = candidate(server, clock, 'a');
    await clock.advance(100);
    const b = candidate(server, clock, 'bb');
    await clock.advance(6_000);
    await a.election.stop();
    await clock.advance(6_000);
    expect(b.election.leads()).toBe(true);
  });

  it('survives short outages of the API server', async () => {
    const clock = createManualClock();
    const server = fakeServer();
    const a = candidate(server, clock, 'a');
    await clock.advance(1000);
    for (let i = 0; i < 10; i++) {
      a.link.up = false;
      await clock.advance(4_000);
      a.link.up = true;
      await clock.advance(6_000);
      expect(a.election.leads()).toBe(true);
    }
  });

  it('judges expiry by what it observed, not by the times in the lease: a jumping clock changes nothing', async () => {
    const clock = createManualClock();
    const server = fakeServer();
    const a = candidate(server, clock, 'a');
    await clock.advance(100);
    const b = candidate(server, clock, 'bb');
    clock.jump(3_600_000);
    await clock.advance(20_000);
    clock.jump(-7_200_000);
    await clock.advance(20_000);
    expect([a.election.leads(), b.election.leads()]).toEqual([true, false]);
  });

  it('costs a dozen calls a minute', async () => {
    const clock = createManualClock();
    const a = candidate(fakeServer(), clock, 'a');
    await clock.advance(600_000);
    expect(a.link.writes).toBeLessThanOrEqual(135);
  });

  it('of five candidates that are cut off at random, never two lead', async () => {
    for (let seed = 1; seed <= 20; seed++) {
      const random = createSeededRandom(seed);
      const clock = createManualClock();
      const server = fakeServer();
      const all = Array.from({ length: 5 }, (_, i) => candidate(server, clock, `candidate-${'x'.repeat(i)}`));
      let led = 0;
      for (let step = 0; step < 400; step++) {
        for (const c of all) if (random.float() < 0.02) c.link.up = !c.link.up;
        await clock.advance(500);
        const leaders = all.filter((c) => c.election.leads()).length;
        expect(leaders).toBeLessThanOrEqual(1);
        led += leaders;
      }
      expect(led).toBeGreaterThan(0);
    }
  });
});
