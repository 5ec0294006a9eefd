// Unit tests (`*.test.ts`) need nothing but Node. Integration tests (`*.integration.test.ts`) run against
// a real Postgres, Redis and anvil that tools/testing starts once for the whole run.
const common = {
  rootDir: import.meta.dirname,
  testEnvironment: 'node',
  extensionsToTreatAsEsm: ['.ts'],
  transform: {
    '^.+\\.ts$': [
      '@swc/jest',
      {
        jsc: { parser: { syntax: 'typescript' }, target: 'es2024' },
        module: { type: 'es6' },
        sourceMaps: 'inline',
      },
    ],
  },
  testPathIgnorePatterns: ['/node_modules/', '/\\.state/'],
  modulePathIgnorePatterns: ['<rootDir>/.state/'],
};

export default {
  projects: [
    {
      ...common,
      displayName: 'unit',
      testMatch: ['**/*.test.ts'],
      testPathIgnorePatterns: [
        ...common.testPathIgnorePatterns,
        '\\.integration\\.test\\.ts$',
        '\\.e2e\\.test\\.ts$',
        '\\.apiserver\\.test\\.ts$',
        '\\.promtool\\.test\\.ts$',
        '\\.fuzz\\.test\\.ts$',
      ],
    },
    {
      ...common,
      displayName: 'integration',
      testMatch: ['**/*.integration.test.ts'],
      globalSetup: '<rootDir>/tools/testing/global-setup.ts',
      globalTeardown: '<rootDir>/tools/testing/global-teardown.ts',
    },
    {
      // A real kube-apiserver and etcd, built from pinned Go modules on first use (`make test-apiserver`).
      ...common,
      displayName: 'apiserver',
      testMatch: ['**/*.apiserver.test.ts'],
      globalSetup: '<rootDir>/tools/cluster/global-setup.ts',
      globalTeardown: '<rootDir>/tools/testing/global-teardown.ts',
    },
    {
      // Every operation of a published OpenAPI document, by Schemathesis from PyPI (`make fuzz`).
      ...common,
      displayName: 'fuzz',
      testMatch: ['**/*.fuzz.test.ts'],
      globalSetup: '<rootDir>/tools/testing/global-setup.ts',
      globalTeardown: '<rootDir>/tools/testing/global-teardown.ts',
    },
    {
      ...common,
      displayName: 'e2e',
      testMatch: ['**/*.e2e.test.ts'],
    },
    {
      // Alert rules, judged by the promtool that tools/cluster builds.
      ...common,
      displayName: 'promtool',
      testMatch: ['**/*.promtool.test.ts'],
    },
  ],
  // Generous: a machine that does other things as well is no reason to fail.
  testTimeout: 60_000,
};
