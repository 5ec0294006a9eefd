/** What the image can be started as: the entry of each process, and the port on which it answers /livez and /readyz. */
export const ROLES = {
  gateway: {
    entry: 'services/chain-gateway/main.ts',
    port: 4000,
    what: 'JSON-RPC and REST before the providers',
  },
  transactions: {
    entry: 'services/chain-gateway/worker.ts',
    port: 4001,
    what: 'carries transactions to finality, works off background jobs (WORKER_ROLES)',
  },
  indexer: {
    entry: 'services/chain-gateway/indexer.ts',
    port: 4002,
    what: 'follows the chain and keeps its events',
  },
  api: { entry: 'services/api/main.ts', port: 4100, what: 'the public API' },
  user: { entry: 'services/user/main.ts', port: 4200, what: 'people, sessions, ledger, notifications' },
  controller: { entry: 'controllers/main.ts', port: 4300, what: 'scales workers, probes providers' },
  console: { entry: 'console/server/main.ts', port: 4400, what: 'the web front' },
  simulator: {
    entry: 'tools/simulator/main.ts',
    port: 8600,
    what: 'a JSON-RPC provider that misbehaves on demand (development)',
  },
} as const;

export type RoleName = keyof typeof ROLES;

// Run as a program (`docker run IMAGE`), it says what can be run.
if (import.meta.main) {
  console.error('Say which process to run, by its entry:\n');
  for (const { entry, port, what } of Object.values(ROLES))
    console.error(`  ${entry.padEnd(38)} ${String(port).padEnd(6)} ${what}`);
  console.error('\nEach lists its settings when it is started with a wrong one.');
  process.exitCode = 64;
}
