import { matchesMethod } from '../providers/provider-config.ts';
import { gatewayError, RPC_ERROR } from '../rpc/errors.ts';
import { needsWriteAccess } from '../rpc/methods.ts';
import type { RpcFailure } from '../rpc/outcome.ts';
import type { PrincipalScope } from './principal.ts';

/** Why a credential with this scope may not make the call; undefined when it may. */
export function scopeRefusal(scope: PrincipalScope, chainId: number, method: string): RpcFailure | undefined {
  const { chains, methods, access } = scope;
  if (chains !== undefined && !chains.has(chainId)) {
    return forbidden(
      'chain',
      `this credential is for chain ${[...chains].join(', ')}, not for chain ${chainId}`,
    );
  }
  if (methods !== undefined && !matchesMethod(methods, method)) {
    return forbidden(
      'method',
      `this credential may not call ${method.slice(0, 60)}; it may call ${listed(methods)}`,
    );
  }
  if (access === 'read' && needsWriteAccess(method)) {
    return forbidden('access', `this credential may only read, and ${method} writes`);
  }
  return undefined;
}

function forbidden(what: string, message: string): RpcFailure {
  return gatewayError(RPC_ERROR.forbidden, message, {
    data: JSON.stringify({ reason: 'out_of_scope', scope: what }),
  });
}

function listed(methods: readonly string[]): string {
  const shown = methods.slice(0, 8).join(', ');
  return methods.length > 8 ? `${shown} and ${methods.length - 8} more` : shown;
}
