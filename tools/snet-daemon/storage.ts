import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';

/** A channel as a daemon stores it after its first payment. */
export interface StoredChannel {
  nonce: bigint;
  sender: string;
  signer: string;
  recipient: string;
  groupId: string;
  fullAmount: bigint;
  expiration: bigint;
  authorized: bigint;
  signature: string;
}

/** What was prepaid on a channel: bought, taken at the start of calls, given back after failures. */
export interface Usage {
  planned: bigint;
  used: bigint;
  refunded: bigint;
}

interface State {
  channels: Record<string, StoredChannel>;
  usage: Record<string, Usage>;
  /** `id/nonce` → what is being claimed. */
  payments: Record<string, { amount: bigint; signature: string }>;
  freeCalls: Record<string, number>;
  secret: string;
}

/** Stands for the etcd of a daemon: survives its process, unless it is told to forget. */
export interface DaemonStorage {
  readonly state: State;
  /** Call after every change; written within some milliseconds. */
  changed(): void;
  flush(): void;
  forget(): void;
}

const WRITE_WITHIN_MS = 20;

const toText = (state: State): string =>
  JSON.stringify(state, (_key, value) => (typeof value === 'bigint' ? `${value}n` : value));
const fromText = (text: string): State =>
  JSON.parse(text, (_key, value) =>
    typeof value === 'string' && /^-?\d+n$/.test(value) ? BigInt(value.slice(0, -1)) : value,
  ) as State;

/** @param file where it is kept; absent: in memory only */
export function createDaemonStorage(file: string | undefined, secret: string): DaemonStorage {
  const empty = (): State => ({ channels: {}, usage: {}, payments: {}, freeCalls: {}, secret });
  let state = empty();
  if (file !== undefined) {
    mkdirSync(dirname(file), { recursive: true });
    try {
      state = { ...empty(), ...fromText(readFileSync(file, 'utf8')) };
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    }
  }
  let timer: NodeJS.Timeout | undefined;
  const flush = (): void => {
    clearTimeout(timer);
    timer = undefined;
    if (file === undefined) return;
    writeFileSync(`${file}.new`, toText(state));
    renameSync(`${file}.new`, file);
  };
  return {
    get state() {
      return state;
    },
    changed() {
      if (file !== undefined) timer ??= setTimeout(flush, WRITE_WITHIN_MS);
    },
    flush,
    forget() {
      state = { ...empty(), secret: state.secret };
      flush();
    },
  };
}
