import { deployContracts } from '../../contracts/deploy.ts';
import { devAccount } from '../../contracts/dev-accounts.ts';
import type { ContractsManifest } from '../../lib/contracts-manifest.ts';
import type { TestChain } from './test-chain.ts';

/** Development accounts in the roles of the development stack; anvil funds them at start. */
export const testAccounts = {
  deployer: devAccount(0),
  treasury: devAccount(1),
  sponsor: devAccount(2),
  lab: devAccount(3),
} as const;

/**
 * Deploys the platform's contracts to a test chain, with the same roles as the development stack.
 *
 * @param manifestFile also writes the manifest there, for code that is given a CONTRACTS_FILE
 */
export function deployTestContracts(
  chain: Pick<TestChain, 'url'>,
  manifestFile?: string,
): Promise<ContractsManifest> {
  return deployContracts({
    rpcUrl: chain.url,
    deployerKey: testAccounts.deployer.privateKey,
    treasury: testAccounts.treasury.address,
    sponsor: testAccounts.sponsor.address,
    lab: testAccounts.lab.privateKey,
    ...(manifestFile === undefined ? {} : { manifestFile }),
  });
}
