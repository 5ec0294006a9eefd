import type { Principal } from '../admission/principal.ts';
import type { RpcPriority } from '../rpc/ethereum-rpc.ts';

/** The WebSocket connection a call came over: what its subscriptions belong to. */
export interface RpcConnection {
  readonly id: string;
  /** Bytes accepted by us and not yet by the client's side of the wire. */
  bufferedBytes(): number;
  /** Sends one JSON text; it is lost silently when the connection is closed. */
  send(text: string): void;
  /** Closes with a WebSocket code and a reason that the client can read. */
  close(code: number, reason: string): void;
  /** Runs when the connection is gone; at once when it already is. */
  onClose(listener: () => void): void;
}

/** Of every message that comes over one WebSocket. */
export interface WebSocketSession {
  readonly principal: Principal;
  readonly priority: RpcPriority;
  /** Longest time one call may take, milliseconds. */
  readonly timeoutMs: number;
}

/** Where a JSON-RPC call came from. */
export interface RpcContext {
  /** Absent for calls over HTTP. */
  readonly connection?: RpcConnection;
  readonly principal?: string;
  /** What the client is, and what it asked for when it opened its WebSocket. */
  readonly session?: WebSocketSession;
  readonly requestId?: string;
  readonly signal?: AbortSignal;
  /** Runs once the answer to the message that carried this call has been sent; WebSocket only. */
  afterAnswer?(listener: () => void): void;
}

/**
 * A method that the gateway answers itself instead of forwarding it. Resolves to the `result`; rejects with
 * RpcCallError.
 */
export type LocalMethod = (params: readonly unknown[], context: RpcContext) => Promise<unknown>;
