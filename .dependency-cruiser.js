/** The layering of docs/architecture.md, as rules. `make check` fails on the first arrow that points the wrong way. */
export default {
  forbidden: [
    {
      name: 'no-circular',
      comment: 'Types may refer to each other across files: they are gone when the code runs.',
      severity: 'error',
      from: {},
      to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
    },
    {
      name: 'lib-knows-nobody',
      comment: 'lib/ is shared by every process; it may not know any of them.',
      severity: 'error',
      from: { path: '^lib/' },
      to: { path: '^(services|controllers|tools|dashboards|loadtests|console)/', pathNot: '^tools/testing/' },
    },
    {
      name: 'lib-production-knows-no-tools',
      severity: 'error',
      from: { path: '^lib/', pathNot: '\\.test\\.ts$' },
      to: { path: '^tools/' },
    },
    {
      name: 'services-are-islands',
      comment: 'Services call each other over REST, never by import.',
      severity: 'error',
      from: { path: '^services/([^/]+)/' },
      to: { path: '^(services|controllers)/', pathNot: '^services/$1/' },
    },
    {
      name: 'console-knows-no-service',
      comment: 'It asks the services over REST, like everybody; what it shows are their answers.',
      severity: 'error',
      from: { path: '^console/', pathNot: '\\.test\\.ts$' },
      to: { path: '^(services|controllers|tools)/' },
    },
    {
      name: 'page-takes-types-only',
      comment: 'The browser gets no module of the server.',
      severity: 'error',
      from: { path: '^console/browser/', pathNot: '\\.test\\.ts$' },
      to: { path: '^(console/server|lib)/', dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'controllers-know-no-service',
      severity: 'error',
      from: { path: '^controllers/' },
      to: { path: '^services/' },
    },
    {
      name: 'production-imports-no-tools',
      severity: 'error',
      from: {
        path: '^(services|controllers)/',
        pathNot: '\\.(test|integration\\.test|e2e\\.test|apiserver\\.test|bench)\\.ts$|/testing/',
      },
      to: { path: '^tools/' },
    },
    {
      name: 'rules-are-pure',
      comment: 'A service.ts or rules.ts states rules: no HTTP, no SQL driver, no Kubernetes client.',
      severity: 'error',
      from: { path: '(^|/)(service|rules|decide)\\.ts$' },
      to: { path: 'node_modules/(express|pg|ioredis|bull|undici|@kubernetes/client-node)/' },
    },
    {
      name: 'nobody-imports-main',
      comment: 'main.ts, worker.ts and indexer.ts are composition roots.',
      severity: 'error',
      from: { pathNot: '\\.test\\.ts$' },
      to: { path: '^(services/[^/]+|controllers)/(main|worker|indexer)\\.ts$' },
    },
    {
      name: 'no-test-imports',
      severity: 'error',
      from: { pathNot: '\\.test\\.ts$' },
      to: { path: '\\.test\\.ts$' },
    },
    {
      name: 'user-modules-have-borders',
      comment:
        'docs/adr/0012: a module of the user service gets the others as functions; it may import their types and pure rules only.',
      severity: 'error',
      from: {
        path: '^services/user/([^/]+)/',
        pathNot: '\\.test\\.ts$|^services/user/(testing|migration/import-cli)',
      },
      to: {
        path: '^services/user/[^/]+/(service|store|routes|.*-store|posting|planner|worker|dispatcher|targets)\\.ts$',
        pathNot: '^services/user/$1/',
        dependencyTypesNot: ['type-only'],
      },
    },
    {
      name: 'no-undeclared-packages',
      severity: 'error',
      from: {},
      to: { dependencyTypes: ['npm-no-pkg', 'npm-unknown'] },
    },
    {
      name: 'no-dev-packages-in-production',
      severity: 'error',
      from: {
        path: '^(lib|services|controllers|console)/',
        pathNot: '\\.test\\.ts$|/testing/|\\.bench\\.ts$',
      },
      to: { dependencyTypes: ['npm-dev'], dependencyTypesNot: ['type-only'] },
    },
  ],
  options: {
    // Not the TypeScript compiler: version 7 has no API that dependency-cruiser could use.
    parser: 'swc',
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '(^|/)(\\.state|coverage|output|generated)/' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'node', 'default', 'types'],
      extensions: ['.ts', '.js', '.json'],
    },
  },
};
