import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { deployContracts } from '../../contracts/deploy.ts';
import { devAccount } from '../../contracts/dev-accounts.ts';
import { isNotFound } from '../../controllers/runtime/kube-error.ts';
import { CONFIG_MAPS, openCluster, SERVICE_ACCOUNTS } from './kube.ts';

const USAGE = `Usage: node tools/delivery/publish-contracts.ts --rpc-url URL --namespace NS --config-map NAME [options]

Deploys the contracts to a development chain, or finds them there, and writes their manifest into a ConfigMap.
  --key KEY             key inside the ConfigMap (contracts.json)
  --owner NAME          ServiceAccount with which the ConfigMap is deleted
  --confirmations N     blocks until a block counts as confirmed (2)`;

/** A chain that is just being started is waited for this long. */
const WAIT_MS = 120_000;

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      'rpc-url': { type: 'string' },
      namespace: { type: 'string' },
      'config-map': { type: 'string' },
      key: { type: 'string', default: 'contracts.json' },
      owner: { type: 'string' },
      confirmations: { type: 'string', default: '2' },
    },
  });
  const { 'rpc-url': rpcUrl, namespace, 'config-map': name, key, owner } = values;
  if (!rpcUrl || !namespace || !name) {
    console.error(USAGE);
    return 2;
  }
  await waitForChain(rpcUrl);
  const client = openCluster();
  try {
    const manifestFile = join(mkdtempSync(join(tmpdir(), 'contracts-')), 'contracts.json');
    const known = await client
      .get(CONFIG_MAPS, namespace, name)
      .then(({ data }) => data?.[key])
      .catch((error: unknown) => {
        if (isNotFound(error)) return undefined;
        throw error;
      });
    if (known !== undefined) writeFileSync(manifestFile, known);
    await deployContracts({
      rpcUrl,
      manifestFile,
      deployerKey: devAccount(0).privateKey,
      treasury: devAccount(1).address,
      sponsor: devAccount(2).address,
      lab: devAccount(3).privateKey,
      confirmations: Number(values.confirmations),
      onProgress: (line) => console.log(line),
    });
    const account = owner === undefined ? undefined : await client.get(SERVICE_ACCOUNTS, namespace, owner);
    await client.apply(
      CONFIG_MAPS,
      {
        metadata: {
          name,
          namespace,
          ...(account?.metadata?.uid === undefined
            ? {}
            : {
                ownerReferences: [
                  {
                    apiVersion: 'v1',
                    kind: 'ServiceAccount',
                    name: owner as string,
                    uid: account.metadata.uid,
                  },
                ],
              }),
        },
        data: { [key]: readFileSync(manifestFile, 'utf8') },
      },
      { fieldManager: 'rejuve-platform-contracts', force: true },
    );
    console.log(`ConfigMap ${namespace}/${name} has the manifest`);
    return 0;
  } catch (error) {
    console.error((error as Error).message);
    return 1;
  } finally {
    await client.close();
  }
}

async function waitForChain(rpcUrl: string): Promise<void> {
  const deadline = performance.now() + WAIT_MS;
  for (;;) {
    try {
      const response = await fetch(rpcUrl, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'eth_chainId', params: [] }),
        signal: AbortSignal.timeout(2_000),
      });
      if (response.ok) return;
    } catch (error) {
      if (performance.now() > deadline)
        throw new Error(`the chain at ${rpcUrl} does not answer`, { cause: error });
    }
    await sleep(500);
  }
}

if (import.meta.main) process.exitCode = await main();
