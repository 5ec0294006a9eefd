import { parseArgs } from 'node:util';
import { Wallet } from 'ethers';
import { DEV_CHAIN_ID, devAccount } from '../../contracts/dev-accounts.ts';
import { loadContractsManifest, requireContract } from '../../lib/contracts-manifest.ts';
import { claimChannel } from './claim.ts';
import { startControlServer } from './control-server.ts';
import { startDaemon } from './daemon.ts';
import { DEV_SERVICE } from './dev-service.ts';

const USAGE = `Usage: node tools/snet-daemon/main.ts --contracts FILE --rpc-url URL [options]

A stand-in for a SingularityNET daemon: its wire protocol (escrow, prepaid and free calls, channel state) on the real
MultiPartyEscrow contract of a development chain (id ${DEV_CHAIN_ID}), with an example service behind it.
  --contracts FILE      the contracts manifest
  --rpc-url URL         JSON-RPC of the chain
  --port N              gRPC port (7000)
  --control-port N      port of the control API (7001)
  --state-file FILE     what a daemon keeps in etcd; without it a restart of the process forgets
  --help                this text
Control API: GET /control, PUT|DELETE /control/faults, POST /control/{restart,forget,claim}.`;

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      contracts: { type: 'string' },
      'rpc-url': { type: 'string' },
      port: { type: 'string', default: '7000' },
      'control-port': { type: 'string', default: '7001' },
      'state-file': { type: 'string' },
      help: { type: 'boolean', short: 'h' },
    },
  });
  const { contracts, 'rpc-url': rpcUrl } = values;
  if (values.help || contracts === undefined || rpcUrl === undefined) {
    console.log(USAGE);
    return values.help ? 0 : 2;
  }
  const manifest = loadContractsManifest(contracts);
  if (manifest.chainId !== DEV_CHAIN_ID) {
    console.error(
      `chain ${manifest.chainId} is no development chain: this daemon's keys are known to everybody`,
    );
    return 2;
  }
  const recipientKey = devAccount(DEV_SERVICE.recipientAccount).privateKey;
  const daemon = await startDaemon({
    ...DEV_SERVICE.daemon,
    mpeAddress: requireContract(manifest, 'MultiPartyEscrow').address,
    recipient: new Wallet(recipientKey).address,
    freeCallSignerKey: recipientKey,
    rpcUrl,
    port: Number(values.port),
    stateFile: values['state-file'],
  });
  const control = await startControlServer({
    daemon,
    host: '127.0.0.1',
    port: Number(values['control-port']),
    claim: (channelId, close) => claimChannel({ daemon, rpcUrl, recipientKey, channelId, close }),
  });
  console.log(
    `stand-in SingularityNET daemon: gRPC ${daemon.endpoint}, control http://127.0.0.1:${control.port}/control`,
  );
  await new Promise<void>((resolve) => {
    process.once('SIGTERM', resolve);
    process.once('SIGINT', resolve);
  });
  await control.close();
  await daemon.close();
  return 0;
}

process.exitCode = await main();
