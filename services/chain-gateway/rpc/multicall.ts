import { id } from 'ethers';
import type { Clock } from '../../../lib/time.ts';
import { note } from '../explain/trace.ts';
import type { BoundCall } from './block-binding.ts';
import type { Engine, EngineAnswer, Work } from './engine.ts';
import { type MethodSpec, methodSpec } from './methods.ts';
import { decodeAggregate3, encodeAggregate3 } from './multicall-codec.ts';
import { success } from './outcome.ts';

/** The same address on more than two hundred chains (https://www.multicall3.com). */
export const MULTICALL3_ADDRESS = '0xca11bde05977b3631167028862be2a173976ca11';

export type MulticallMode = 'off' | 'known' | 'all';

export interface Multicaller {
  /** Takes an eth_call that may travel with others; undefined when this one has to go by itself. */
  run(call: BoundCall, work: Work): { answer: Promise<EngineAnswer>; cancel(): void } | undefined;
}

/** Calls in one aggregate: nodes bound the gas of an eth_call, and one slow call holds up all. */
const MAX_CALLS = 50;
const MAX_CALLDATA_HEX = 64 * 1024;
/** A chain without the contract is asked again after this long. */
const LOOK_AGAIN_MS = 60_000;

/**
 * View functions whose answer cannot depend on msg.sender, which inside an aggregate is the contract and not the
 * zero address. Anything else goes by itself unless the operator says `all`.
 */
const KNOWN = new Set(
  [
    'balanceOf(address)',
    'balanceOf(address,uint256)',
    'balanceOfBatch(address[],uint256[])',
    'allowance(address,address)',
    'totalSupply()',
    'decimals()',
    'symbol()',
    'name()',
    'cap()',
    'paused()',
    'owner()',
    'ownerOf(uint256)',
    'tokenURI(uint256)',
    'uri(uint256)',
    'getApproved(uint256)',
    'isApprovedForAll(address,address)',
    'tokenByIndex(uint256)',
    'tokenOfOwnerByIndex(address,uint256)',
    'supportsInterface(bytes4)',
    'hasRole(bytes32,address)',
    'nonces(address)',
    'DOMAIN_SEPARATOR()',
    'getReserves()',
    'token0()',
    'token1()',
    'latestRoundData()',
    'latestAnswer()',
    'getOwnerIdentity(address)',
    'isRegistered(address)',
    'getPermissionStatus(bytes,uint256)',
    'getPermissionDeadline(bytes,uint256)',
    'getPermissionHashes(address)',
    'getDataOwnerId(bytes)',
    'getAttestation(bytes32)',
    'isAttestationValid(bytes32)',
  ].map((signature) => id(signature).slice(2, 10)),
);

interface Waiting {
  readonly call: BoundCall;
  readonly work: Work;
  readonly to: string;
  readonly data: string;
  readonly resolve: (answer: EngineAnswer) => void;
  cancelled: boolean;
  cancel: () => void;
}

/**
 * Puts the eth_calls of one tick that read the same block into one call of the Multicall3 contract. A call that fails
 * inside is made again by itself, so that its caller gets the node's own error, revert data included.
 */
export function createMulticaller(deps: {
  engine: Engine;
  mode: MulticallMode;
  address: string;
  clock: Pick<Clock, 'monotonic'>;
  defer: (fn: () => void) => void;
}): Multicaller {
  const { engine, mode, address, clock } = deps;
  const callSpec = methodSpec('eth_call') as MethodSpec;
  const codeSpec = methodSpec('eth_getCode') as MethodSpec;
  const groups = new Map<number, Waiting[]>();
  let present: boolean | 'asking' | undefined;
  let lookAgainAt = Number.NEGATIVE_INFINITY;
  /** Blocks before this one do not have the contract yet. */
  let notBefore = 0;

  /** Looks whether the chain has the contract; until that is known, calls go by themselves. */
  const look = (work: Work): void => {
    present = 'asking';
    const lookup = engine.run({
      ...work,
      method: 'eth_getCode',
      spec: codeSpec,
      params: `["${address}","latest"]`,
      minBlock: undefined,
      trace: undefined,
      judgeEmpty: undefined,
    });
    void lookup.answer.then(({ outcome }) => {
      present = outcome.ok && outcome.result.length > 4;
      if (!present) lookAgainAt = clock.monotonic() + LOOK_AGAIN_MS;
    });
  };

  const alone = (waiting: Waiting): void => {
    if (waiting.cancelled) return;
    const run = engine.run(waiting.work);
    waiting.cancel = run.cancel;
    void run.answer.then(waiting.resolve);
  };

  const together = async (group: readonly Waiting[], block: number): Promise<void> => {
    const [first] = group as [Waiting];
    const principals = new Set(group.map(({ work }) => work.principal));
    const data = encodeAggregate3(group);
    const work: Work = {
      ...first.work,
      spec: callSpec,
      params: `[{"data":"${data}","to":"${address}"},"0x${block.toString(16)}"]`,
      principal: principals.size === 1 ? first.work.principal : 'shared',
    };
    // Callers that join later may extend a deadline; the aggregate lives as long as its most patient caller.
    Object.defineProperty(work, 'deadlineAt', {
      get: () => Math.max(...group.map((waiting) => waiting.work.deadlineAt)),
    });
    const answer = await engine.run(work).answer;
    const results = answer.outcome.ok ? decodeAggregate3(answer.outcome.result, group.length) : undefined;
    if (results === undefined) {
      if (answer.outcome.ok && answer.outcome.result === '"0x"') notBefore = Math.max(notBefore, block + 1);
      for (const waiting of group) alone(waiting);
      return;
    }
    group.forEach((waiting, index) => {
      const result = results[index] as { success: boolean; data: string };
      if (!result.success) {
        alone(waiting);
        return;
      }
      note(waiting.work.trace, clock.monotonic(), 'multicall', answer.provider, group.length);
      // What the aggregate cost is shared: the first caller's headers show it, so that sums stay right.
      const paid =
        index === 0 ? { attempts: answer.attempts, units: answer.units } : { attempts: 0, units: 0 };
      waiting.resolve({
        outcome: success(`"${result.data}"`),
        errorKind: undefined,
        provider: answer.provider,
        ...paid,
      });
    });
  };

  const flush = (block: number): void => {
    const group = (groups.get(block) ?? []).filter((waiting) => !waiting.cancelled);
    groups.delete(block);
    for (let from = 0; from < group.length; ) {
      let size = 0;
      let to = from;
      while (
        to < group.length &&
        to - from < MAX_CALLS &&
        size + (group[to] as Waiting).data.length <= MAX_CALLDATA_HEX
      ) {
        size += (group[to] as Waiting).data.length;
        to++;
      }
      to = Math.max(to, from + 1);
      const part = group.slice(from, to);
      if (part.length === 1) alone(part[0] as Waiting);
      else void together(part, block);
      from = to;
    }
  };

  return {
    run(call, work) {
      if (mode === 'off' || call.block.kind !== 'number') return undefined;
      const target = eligible(call, mode);
      if (target === undefined || call.block.to < notBefore) return undefined;
      if (present !== true) {
        if (present === undefined || (present === false && clock.monotonic() >= lookAgainAt)) look(work);
        return undefined;
      }
      const block = call.block.to;
      let waiting!: Waiting;
      const answer = new Promise<EngineAnswer>((resolve) => {
        waiting = { call, work, ...target, resolve, cancelled: false, cancel: () => undefined };
      });
      const group = groups.get(block);
      if (group === undefined) {
        groups.set(block, [waiting]);
        deps.defer(() => flush(block));
      } else group.push(waiting);
      return {
        answer,
        cancel() {
          waiting.cancelled = true;
          waiting.cancel();
        },
      };
    },
  };
}

const ADDRESS = /^0x[0-9a-f]{40}$/i;
const DATA = /^0x(?:[0-9a-f]{2})*$/i;

/** Target and calldata of a call that means the same inside an aggregate. */
function eligible(call: BoundCall, mode: MulticallMode): { to: string; data: string } | undefined {
  const [tx] = call.params;
  if (call.params.length > 2 || typeof tx !== 'object' || tx === null) return undefined;
  const { to, data, input, ...rest } = tx as Record<string, unknown>;
  const payload = data ?? input;
  if (typeof to !== 'string' || typeof payload !== 'string' || !ADDRESS.test(to) || !DATA.test(payload))
    return undefined;
  if (data !== undefined && input !== undefined && data !== input) return undefined;
  // A sender, a value, a gas limit or a price changes what the call means.
  if (Object.values(rest).some((value) => value !== undefined && value !== null)) return undefined;
  if (mode === 'known' && !KNOWN.has(payload.slice(2, 10).toLowerCase())) return undefined;
  return { to: to.slice(2).toLowerCase(), data: payload.slice(2).toLowerCase() };
}
