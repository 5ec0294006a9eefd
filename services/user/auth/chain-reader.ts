import type { Gateway } from '../gateway/client.ts';
import type { ChainReader } from './wallet-signature.ts';

/** Read-only calls on the newest block of a chain, through the gateway. */
export function createChainReader(gateway: Pick<Gateway, 'rpc'>): (chainId: number) => ChainReader {
  const text = (value: unknown): string => (typeof value === 'string' ? value : '0x');
  return (chainId) => ({
    call: async (request) => text(await gateway.rpc(chainId, 'eth_call', [request, 'latest'])),
    code: async (address) => text(await gateway.rpc(chainId, 'eth_getCode', [address, 'latest'])),
  });
}
