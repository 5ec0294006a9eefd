import { loadContractsManifest } from '../../lib/contracts-manifest.ts';
import { targetsOf } from '../monitoring/targets.ts';
import type { StackState } from '../stack/state.ts';
import type { LoadTarget } from './run-load-test.ts';

/** The stack of this checkout as a target. */
export function targetOfStack(state: StackState): LoadTarget {
  const { api = '', user = '', gateway = '' } = state.urls;
  const manifest = state.files.contracts;
  return {
    api,
    user,
    gateway,
    chainId: state.chainId,
    apiKey: state.credentials.apiKey ?? '',
    token: manifest ? (loadContractsManifest(manifest).contracts.RejuveToken?.address ?? '') : '',
    processes: targetsOf(state.urls),
  };
}
