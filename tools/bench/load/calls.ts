/** What is sent, by name: plain data, so that a job can travel to the load process as JSON. */
export type CallMix =
  /** The same `keys` block reads over and over: finalized blocks, so a cache may hold them for ever. */
  | { readonly kind: 'cached'; readonly keys: number; readonly finalizedHeight: number }
  /** A state read that nobody asked before. */
  | { readonly kind: 'unique'; readonly seed: number }
  /** One and the same state read, new for this run. */
  | { readonly kind: 'identical'; readonly seed: number }
  | { readonly kind: 'batch'; readonly size: number; readonly of: CallMix };

const hex = (value: number): string => `0x${value.toString(16)}`;

function singleCall(mix: Exclude<CallMix, { kind: 'batch' }>, sequence: number, id: number): string {
  switch (mix.kind) {
    case 'cached':
      return `{"jsonrpc":"2.0","id":${id},"method":"eth_getTransactionCount","params":["0x${'11'.repeat(20)}","${hex(mix.finalizedHeight - (sequence % mix.keys))}"]}`;
    case 'unique':
      return `{"jsonrpc":"2.0","id":${id},"method":"eth_getBalance","params":["0x${mix.seed.toString(16).padStart(8, '0')}${sequence.toString(16).padStart(32, '0')}","latest"]}`;
    case 'identical':
      return `{"jsonrpc":"2.0","id":${id},"method":"eth_getBalance","params":["0x${mix.seed.toString(16).padStart(40, '0')}","latest"]}`;
  }
}

/** The body of the `sequence`th request, and how many calls it holds. */
export function requestBody(mix: CallMix, sequence: number): string {
  if (mix.kind !== 'batch') return singleCall(mix, sequence, sequence);
  const { of } = mix;
  if (of.kind === 'batch') throw new Error('a batch of batches is not JSON-RPC');
  const items: string[] = [];
  for (let index = 0; index < mix.size; index += 1)
    items.push(singleCall(of, sequence * mix.size + index, index));
  return `[${items.join(',')}]`;
}

export const callsPerRequest = (mix: CallMix): number => (mix.kind === 'batch' ? mix.size : 1);
