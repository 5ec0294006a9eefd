import type { FlagsView } from '../server/observe/flag-board.ts';
import type { FlowView } from '../server/observe/flow-board.ts';
import type { ServiceView } from '../server/observe/service-board.ts';
import type { SloView } from '../server/observe/slo-board.ts';
import type { WorkerPool } from '../server/observe/worker-pools.ts';
import type { GatewayClient, TransactionView } from '../server/platform/gateway-client.ts';
import type { UserClient } from '../server/platform/user-client.ts';
import { dataOf } from './live.ts';

type Answer<F extends (...args: never[]) => unknown> = Awaited<ReturnType<F>>;

/** What the server's topics hold; the server's own types, so that both change together. */
export interface Topics {
  readonly services: readonly ServiceView[];
  readonly flows: FlowView;
  readonly flags: FlagsView;
  readonly slo: readonly SloView[];
  readonly providers: Answer<GatewayClient['providers']>;
  readonly transactions: {
    readonly open: readonly TransactionView[];
    readonly lanes: Answer<GatewayClient['lanes']>['lanes'];
    readonly findings: Answer<GatewayClient['findings']>['findings'];
  };
  readonly deliveries: Answer<UserClient['deadLetters']>;
  readonly pools:
    | { readonly kubernetes: false }
    | { readonly kubernetes: true; readonly pools: readonly WorkerPool[] };
  readonly cost: Answer<GatewayClient['cost']> & {
    readonly gas: Answer<GatewayClient['gas']>;
    readonly days: number;
  };
  readonly links: {
    readonly docs: string;
    readonly grafana: string | null;
    readonly prometheus: boolean;
    readonly version: string;
  };
}

export const data = <K extends keyof Topics>(name: K): Topics[K] | undefined => dataOf<Topics[K]>(name);
