import { GROUP, VERSION } from './api.ts';
import type { ChainProvider } from './chain-provider/types.ts';
import type { RpcWorkerPool } from './rpc-worker-pool/types.ts';
import type { Resource } from './runtime/kube-client.ts';

export const RPC_WORKER_POOLS: Resource<RpcWorkerPool> = {
  group: GROUP,
  version: VERSION,
  plural: 'rpcworkerpools',
  kind: 'RpcWorkerPool',
  namespaced: true,
};

export const CHAIN_PROVIDERS: Resource<ChainProvider> = {
  group: GROUP,
  version: VERSION,
  plural: 'chainproviders',
  kind: 'ChainProvider',
  namespaced: true,
};
