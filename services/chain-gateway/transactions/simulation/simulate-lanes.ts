import { createSeededRandom } from '../../../../lib/random.ts';
import type { SignedTransaction, Signer, UnsignedTransaction } from '../../signers/signer.ts';
import { SignerUnavailableError } from '../../signers/signer.ts';
import { DEFAULT_LANE_TIMING } from '../decide-lane.ts';
import { createLaneEngine, type LaneEngine } from '../lane-engine.ts';
import type { LaneChain, LaneStore } from '../lane-types.ts';
import { settleBlocks } from '../settle-blocks.ts';
import { isFinal } from '../states.ts';
import { createMemoryLaneStore, InvariantError, type MemoryLaneStore } from './memory-lane-store.ts';
import { CALM, createModelChain, type ModelBytes, type ModelChain, type ModelFaults } from './model-chain.ts';

/** The process died at this point; whatever it had in memory is gone. */
class Crash extends Error {
  override readonly name = 'Crash';
}

export interface SimulationResult {
  readonly seed: number;
  readonly accepted: number;
  readonly finalized: number;
  readonly failed: number;
  readonly cancelled: number;
  readonly replaced: number;
  readonly attempts: number;
  readonly crashes: number;
  readonly fills: number;
  readonly requeues: number;
  readonly virtualMs: number;
}

const STEP_MS = 500;
const STORM_MS = 120_000;
/** Everything must be settled this long after the last fault: caps on fees aside, nothing may take for ever. */
const CALM_MS = 1_800_000;
const FEE_CAP = 2_000_000_000_000n;

/** Wraps every method so that the process can die just before or just after what it does: the persist and broadcast boundaries. */
function mortal<T extends object>(target: T, dies: () => boolean): T {
  return new Proxy(target, {
    get(object, key, receiver) {
      const value = Reflect.get(object, key, receiver);
      if (typeof value !== 'function') return value;
      return async (...args: unknown[]) => {
        if (dies()) throw new Crash('before');
        const result = await value.apply(object, args);
        if (dies()) throw new Crash('after');
        return result;
      };
    },
  });
}

/** Faults of one run, drawn from the seed: some runs are calm in most respects, some bad in all. */
function drawFaults(float: () => number): { faults: ModelFaults; crash: number; signerAway: number } {
  const some = (most: number) => (float() < 0.5 ? 0 : float() * most);
  return {
    faults: {
      callFails: some(0.2),
      timeoutAfterAccept: some(0.3),
      acceptAndDrop: some(0.3),
      lie: some(0.02),
      lag: some(0.3),
      reorg: some(0.15),
      dropMempool: some(0.2),
      foreignUse: float() < 0.3 ? float() * 0.03 : 0,
      feeSpike: some(0.1),
      stall: some(0.03),
    },
    crash: some(0.01),
    signerAway: some(0.1),
  };
}

/**
 * Runs the lanes in virtual time against a model chain whose faults, reorgs and crashes come from `seed`, then lets
 * things calm down and checks: every request executed exactly once or truthfully reported, no gap left, and no nonce
 * ever signed for two different requests.
 * @param tamper breaks the store on purpose, to prove that the checks can fail.
 * @throws InvariantError naming the seed and what was broken.
 */
export async function simulateLanes(
  seed: number,
  tamper: (store: LaneStore) => LaneStore = (store) => store,
): Promise<SimulationResult> {
  let now = 1_000_000;
  const clock = { now: () => now };
  const random = createSeededRandom(seed, clock);
  const { faults, crash, signerAway } = drawFaults(random.float);
  const signers = Array.from({ length: 1 + Math.floor(random.float() * 3) }, (_, i) => `0xS${i}`);
  const total = 4 + Math.floor(random.float() * 16);
  const reverting = new Set<string>();
  const chain = createModelChain({
    random,
    signers,
    providers: 1 + Math.floor(random.float() * 3),
    faults,
    reverts: (tx) => reverting.has(tx.data),
  });
  const store = createMemoryLaneStore(clock);
  for (const signer of signers) store.addLane(signer, chain.count(signer));
  let storm = true;
  let crashes = 0;
  let serial = 0;
  const signedFor = new Map<string, string>();

  const dies = (): boolean => storm && random.float() < crash;
  const sign = async (signer: Signer, tx: UnsignedTransaction): Promise<SignedTransaction> => {
    if (storm && random.float() < signerAway) throw new SignerUnavailableError('the signer does not answer');
    const hash = `0xt${(++serial).toString(16)}`;
    return {
      hash,
      raw: JSON.stringify({ ...tx, accessList: undefined, from: signer.address, hash }, (_k, v) =>
        typeof v === 'bigint' ? v.toString() : v,
      ),
    };
  };
  const boot = (): LaneEngine[] =>
    signers.map((address) =>
      createLaneEngine({
        store: mortal<LaneStore>(tamper(watched(store, signedFor)), dies),
        chain: mortal<LaneChain>(chain, dies),
        signer: {
          address,
          type: 'model',
          signDigest: () => Promise.reject(new Error('the model signs whole transactions')),
        },
        sign,
        clock,
        timing: { ...DEFAULT_LANE_TIMING, maxInFlight: 8 },
        feeCap: FEE_CAP,
        maxRequeues: 5,
      }),
    );
  let engines = boot();

  async function life(): Promise<void> {
    try {
      prepareSome(store, signers, random.float);
      for (const engine of engines) await engine.tick();
      await settleBlocks(
        { store: mortal<LaneStore>(store, dies), chain: mortal<LaneChain>(chain, dies), confirmations: 3 },
        await chain.head(),
      );
    } catch (error) {
      if (error instanceof InvariantError) throw error;
      if (error instanceof Crash) {
        crashes += 1;
        engines = boot();
      }
    }
  }

  let accepted = 0;
  const start = now;
  try {
    while (now < start + STORM_MS) {
      now += STEP_MS;
      if (accepted < total && random.float() < 0.3) {
        accepted += 1;
        const id = `r${accepted}`;
        if (random.float() < 0.1) reverting.add(`0x${id}`);
        store.accept(intent(id, now, random.float));
      }
      if (accepted > 0 && random.float() < 0.02)
        store.cancel(`r${1 + Math.floor(random.float() * accepted)}`);
      if (accepted > 0 && random.float() < 0.02)
        hurry(store, `r${1 + Math.floor(random.float() * accepted)}`);
      if (random.float() < 0.003)
        for (const signer of signers) chain.setBalance(signer, random.float() < 0.5 ? 1n : 10n ** 24n);
      chain.step(now);
      await life();
    }
    storm = false;
    Object.assign(chain.faults, CALM);
    for (const signer of signers) chain.setBalance(signer, 10n ** 24n);
    while (now < start + STORM_MS + CALM_MS && !isSettled(store, chain, signers)) {
      now += STEP_MS * 2;
      chain.step(now);
      await life();
    }
    verify(store, chain, signers, now - start);
  } catch (error) {
    throw new InvariantError(`seed ${seed}: ${(error as Error).message}`, { cause: error });
  }
  const states = [...store.transactions.values()].map((tx) => tx.state);
  const count = (state: string) => states.filter((s) => s === state).length;
  const slots = signers.flatMap((signer) => [...store.laneOf(signer).slots.values()]);
  return {
    seed,
    accepted,
    finalized: count('finalized'),
    failed: count('failed'),
    cancelled: count('cancelled'),
    replaced: count('replaced'),
    attempts: slots.reduce((sum, slot) => sum + slot.attempts.length, 0),
    fills: slots.filter((slot) => slot.transactionId === null).length,
    requeues: [...store.transactions.values()].reduce((sum, tx) => sum + tx.requeues, 0),
    crashes,
    virtualMs: now - start,
  };
}

const intent = (id: string, createdAt: number, float: () => number) => ({
  id,
  to: '0xC0',
  data: `0x${id}`,
  value: 0n,
  gasLimit: 60_000n,
  urgency: (['slow', 'standard', 'fast'] as const)[Math.floor(float() * 3)] ?? 'standard',
  maxFeeCap: null,
  cancelRequested: false,
  speedUps: 0,
  requeues: 0,
  createdAt,
});

function prepareSome(store: MemoryLaneStore, signers: readonly string[], float: () => number): void {
  for (const [id, tx] of store.transactions) {
    if (tx.state === 'queued') store.prepare(id, signers[Math.floor(float() * signers.length)] ?? '');
  }
}

function hurry(store: MemoryLaneStore, id: string): void {
  const tx = store.transactions.get(id);
  if (tx && ['signed', 'submitted'].includes(tx.state)) tx.speedUps += 1;
}

/** Checks each signature the moment it is saved: a nonce belongs to one request, or to a no-op. */
function watched(store: MemoryLaneStore, signedFor: Map<string, string>): LaneStore {
  const check = (signer: string, nonce: number, raw: string): void => {
    const { data } = JSON.parse(raw) as ModelBytes;
    if (data === '0x') return;
    const key = `${signer}:${nonce}`;
    const before = signedFor.get(key);
    if (before !== undefined && before !== data)
      throw new InvariantError(`nonce ${nonce} of ${signer} was signed for ${before} and for ${data}`);
    signedFor.set(key, data);
  };
  return {
    ...store,
    async signPrepared(lane, options) {
      const saved = await store.signPrepared(lane, options);
      for (const { nonce, raw } of saved) check(lane.signer, nonce, raw);
      return saved;
    },
    async saveReplacement(lane, nonce, attempt) {
      const saved = await store.saveReplacement(lane, nonce, attempt);
      if (saved) check(lane.signer, nonce, attempt.signed.raw);
      return saved;
    },
  };
}

const isSettled = (store: MemoryLaneStore, chain: ModelChain, signers: readonly string[]): boolean =>
  [...store.transactions.values()].every((tx) => isFinal(tx.state)) &&
  signers.every((signer) =>
    [...store.laneOf(signer).slots.values()].every(
      (slot) => slot.state === 'settled' || slot.state === 'foreign',
    ),
  ) &&
  chain.headNumber > 0;

function verify(
  store: MemoryLaneStore,
  chain: ModelChain,
  signers: readonly string[],
  elapsed: number,
): void {
  const executed = new Map<string, number>();
  for (const tx of chain.executed()) executed.set(tx.data, (executed.get(tx.data) ?? 0) + 1);
  for (const [id, tx] of store.transactions) {
    const times = executed.get(tx.intent.data) ?? 0;
    if (!isFinal(tx.state)) throw new InvariantError(`${id} is still ${tx.state} after ${elapsed} ms`);
    const expected = tx.state === 'finalized' || tx.state === 'failed' ? 1 : 0;
    if (times !== expected)
      throw new InvariantError(`${id} is reported as ${tx.state} and was executed ${times} times`);
  }
  for (const signer of signers) {
    const lane = store.laneOf(signer);
    if (chain.count(signer) < lane.nextNonce)
      throw new InvariantError(
        `${signer} has a gap: the chain is at ${chain.count(signer)}, the lane at ${lane.nextNonce}`,
      );
  }
}
