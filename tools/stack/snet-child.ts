import { join } from 'node:path';
import { devAccount } from '../../contracts/dev-accounts.ts';
import { DEV_SERVICE } from '../snet-daemon/dev-service.ts';
import { EXAMPLE_PROTO } from '../snet-daemon/example-proto.ts';
import type { ChildSpec } from './child.ts';
import { local, STAGE } from './embedded-children.ts';
import { nodeCommand } from './node-command.ts';
import type { PlanInput } from './plan-input.ts';
import { DEV_POOLS } from './secrets.ts';
import { writePrivateFile } from './state.ts';

/** Signs payments of the development stack. */
const PAYMENT_SIGNER = devAccount(8);

/** True when the stand-in answers at its control address; what it serves speaks gRPC. */
export async function isSnetDaemonReady(controlUrl: string): Promise<boolean> {
  try {
    return (await fetch(`${controlUrl}/control`, { signal: AbortSignal.timeout(2_000) })).ok;
  } catch {
    return false;
  }
}

/** The stand-in SingularityNET daemon, on the real escrow contract of the embedded chain. */
export function snetDaemonChild(input: PlanInput, manifestFile: string): ChildSpec {
  const { ports, stateDir } = input;
  const control = local(ports['snet-control']);
  return {
    name: 'snet-daemon',
    kind: 'provider',
    dependsOn: ['anvil', 'contracts'],
    stage: STAGE.provider,
    url: local(ports['snet-daemon']),
    command: () =>
      nodeCommand(
        'tools/snet-daemon/main.ts',
        [
          ...['--contracts', manifestFile, '--rpc-url', local(ports.anvil)],
          ...['--port', `${ports['snet-daemon']}`, '--control-port', `${ports['snet-control']}`],
          ...['--state-file', join(stateDir, 'snet-daemon', 'state.json')],
        ],
        {},
        stateDir,
      ),
    isReady: () => isSnetDaemonReady(control),
  };
}

/** Writes what the gateway needs to call the stand-in's service, and answers where. */
export function writeSnetFile({ ports, stateDir }: PlanInput): string {
  const folder = join(stateDir, 'secrets');
  const key = join(folder, 'signer-snet.key');
  writePrivateFile(key, `${PAYMENT_SIGNER.privateKey}\n`);
  const { daemon, recipientAccount } = DEV_SERVICE;
  const service = {
    endpoints: [local(ports['snet-daemon'])],
    protos: [EXAMPLE_PROTO],
    price: daemon.price.toString(),
    prices: Object.fromEntries(
      Object.entries(daemon.prices).map(([method, price]) => [method, price.toString()]),
    ),
    concurrency: 256,
  };
  const config = {
    sender: { pool: 'treasury', address: DEV_POOLS.treasury.address },
    signer: { type: 'private-key-file', file: key },
    funding: {
      auto: true,
      deposit: '100000000',
      lowWater: '10000000',
      maxDeposit: '1000000000',
      expiryBlocks: 1_000_000,
      extendBelowBlocks: 100_000,
    },
    prepaid: { purchase: '10000', lowWater: '2500' },
    reconcileSeconds: 5,
    organizations: {
      [daemon.orgId]: {
        groups: {
          [daemon.groupName]: {
            id: daemon.groupId,
            recipient: devAccount(recipientAccount).address,
            expirationThreshold: Number(daemon.paymentExpirationThreshold),
          },
        },
        services: {
          [daemon.serviceId]: { ...service, payment: ['prepaid', 'escrow'] },
          // The same, paid call by call: to see the difference.
          [`${daemon.serviceId}-by-call`]: { ...service, payment: ['escrow'] },
        },
      },
    },
  };
  const file = join(folder, 'snet.json');
  writePrivateFile(file, `${JSON.stringify(config, null, 2)}\n`);
  return file;
}
