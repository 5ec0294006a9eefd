import startServers from '../testing/global-setup.ts';
import { buildPrograms } from './build.ts';

/**
 * jest: before the first test of the `apiserver` project, builds the programs that are not in the cache yet. Here and
 * not in a test, because a first build takes minutes and a test has a time limit.
 */
// biome-ignore lint/style/noDefaultExport: jest looks for a default export here
export default async function globalSetup(): Promise<void> {
  await buildPrograms(['etcd', 'kube-apiserver', 'kube-controller-manager'], (line) =>
    process.stderr.write(`${line}\n`),
  );
  await startServers();
}
