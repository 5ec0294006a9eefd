import { startTestServers, TEST_POSTGRES_URL, TEST_REDIS_URL, type TestServers } from './servers.ts';

declare global {
  var testServers: TestServers | undefined;
}

/** jest: starts the servers of the integration project; the workers inherit the environment. */
// biome-ignore lint/style/noDefaultExport: jest looks for a default export here
export default async function globalSetup(): Promise<void> {
  globalThis.testServers = await startTestServers();
  process.env[TEST_POSTGRES_URL] = globalThis.testServers.postgresUrl;
  process.env[TEST_REDIS_URL] = globalThis.testServers.redisUrl;
}
