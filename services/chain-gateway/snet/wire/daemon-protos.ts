import protobuf from 'protobufjs';

/**
 * The daemon's own services (package `escrow`), by the names and numbers that travel. Integers of the channel state
 * service are Solidity's: big-endian bytes, padded or not; the token service uses plain uint64.
 */
const SOURCE = `
syntax = "proto3";
package escrow;

service PaymentChannelStateService {
  rpc GetChannelState(ChannelStateRequest) returns (ChannelStateReply);
}
message ChannelStateRequest {
  bytes channel_id = 1;
  bytes signature = 2;
  uint64 current_block = 3;
}
message ChannelStateReply {
  bytes current_nonce = 1;
  bytes current_signed_amount = 2;
  bytes current_signature = 3;
  bytes old_nonce_signed_amount = 4;
  bytes old_nonce_signature = 5;
  uint64 planned_amount = 6;
  uint64 used_amount = 7;
}

service TokenService {
  rpc GetToken(TokenRequest) returns (TokenReply);
}
message TokenRequest {
  uint64 channel_id = 1;
  uint64 current_nonce = 2;
  uint64 signed_amount = 3;
  bytes signature = 4;
  uint64 current_block = 5;
  bytes claim_signature = 6;
}
message TokenReply {
  uint64 channel_id = 1;
  string token = 2;
  uint64 planned_amount = 3;
  uint64 used_amount = 4;
}

service FreeCallStateService {
  rpc GetFreeCallsAvailable(FreeCallStateRequest) returns (FreeCallStateReply);
  rpc GetFreeCallToken(GetFreeCallTokenRequest) returns (FreeCallToken);
}
message GetFreeCallTokenRequest {
  string address = 1;
  bytes signature = 2;
  uint64 current_block = 3;
  optional string user_id = 4;
  optional uint64 token_lifetime_in_blocks = 5;
}
message FreeCallToken {
  bytes token = 1;
  string token_hex = 2;
  uint64 token_expiration_block = 3;
}
message FreeCallStateRequest {
  string address = 1;
  optional string user_id = 2;
  bytes free_call_token = 3;
  bytes signature = 4;
  uint64 current_block = 5;
}
message FreeCallStateReply {
  uint64 free_calls_available = 1;
}
`;

const root = protobuf.parse(SOURCE, { keepCase: false }).root;

/** One unary method of the daemon: its path on the wire and its message types. */
export interface DaemonMethod {
  readonly path: string;
  readonly request: protobuf.Type;
  readonly response: protobuf.Type;
}

const method = (service: string, name: string, request: string, response: string): DaemonMethod => ({
  path: `/escrow.${service}/${name}`,
  request: root.lookupType(`escrow.${request}`),
  response: root.lookupType(`escrow.${response}`),
});

export const GET_CHANNEL_STATE = method(
  'PaymentChannelStateService',
  'GetChannelState',
  'ChannelStateRequest',
  'ChannelStateReply',
);
export const GET_TOKEN = method('TokenService', 'GetToken', 'TokenRequest', 'TokenReply');
export const GET_FREE_CALL_TOKEN = method(
  'FreeCallStateService',
  'GetFreeCallToken',
  'GetFreeCallTokenRequest',
  'FreeCallToken',
);
export const GET_FREE_CALLS_AVAILABLE = method(
  'FreeCallStateService',
  'GetFreeCallsAvailable',
  'FreeCallStateRequest',
  'FreeCallStateReply',
);

export interface ChannelStateReply {
  readonly currentNonce: Uint8Array;
  readonly currentSignedAmount: Uint8Array;
  readonly currentSignature: Uint8Array;
  readonly oldNonceSignedAmount: Uint8Array;
  readonly oldNonceSignature: Uint8Array;
  readonly plannedAmount: string;
  readonly usedAmount: string;
}

export interface TokenReply {
  readonly channelId: string;
  readonly token: string;
  readonly plannedAmount: string;
  readonly usedAmount: string;
}

/** Encodes a plain object; 64-bit numbers may be bigint, number or decimal string. */
export function encodeMessage(type: protobuf.Type, value: Record<string, unknown>): Buffer {
  const plain = Object.fromEntries(
    Object.entries(value)
      .filter(([, v]) => v !== undefined)
      .map(([k, v]) => [k, typeof v === 'bigint' ? v.toString() : v]),
  );
  return Buffer.from(type.encode(type.fromObject(plain)).finish());
}

/** Decodes into a plain object; 64-bit numbers become decimal strings, absent fields their defaults. */
export function decodeMessage<T>(type: protobuf.Type, bytes: Uint8Array): T {
  return type.toObject(type.decode(bytes), { longs: String, defaults: true }) as T;
}
