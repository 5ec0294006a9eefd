{{/*
The processes of the platform. `kind`: serving (Service, autoscaler), working (fixed replicas), scaled (replicas belong
to the controller). `needs` names what the pod gets: secrets as variables, files as volumes. `calls` and `reaches` are
the arrows of docs/architecture.md, from which the network policies are made.
*/}}
{{- define "rejuve.parts" -}}
gateway:
  command: services/chain-gateway/main.ts
  port: 4000
  kind: serving
  database: gatewayDatabaseUrl
  needs: [redis, serviceAuth, contracts, providers, signers]
  calls: []
  reaches: [database, redis, chain]
transactions:
  command: services/chain-gateway/worker.ts
  port: 4001
  kind: working
  database: gatewayDatabaseUrl
  needs: [redis, serviceAuth, contracts, providers, signers, signerKeys]
  calls: []
  reaches: [database, redis, chain, internet]
rpcWorkers:
  command: services/chain-gateway/worker.ts
  port: 4001
  kind: scaled
  database: gatewayDatabaseUrl
  needs: [redis, serviceAuth, contracts, providers]
  calls: []
  reaches: [database, redis, chain, internet]
indexer:
  command: services/chain-gateway/indexer.ts
  port: 4002
  kind: working
  database: gatewayDatabaseUrl
  needs: [redis, serviceAuth, contracts, providers]
  calls: []
  reaches: [database, redis, chain]
api:
  command: services/api/main.ts
  port: 4100
  kind: serving
  database: apiDatabaseUrl
  needs: [redis, serviceAuth, contracts, cursor]
  calls: [gateway, user]
  reaches: [database, redis, internet]
user:
  command: services/user/main.ts
  port: 4200
  kind: serving
  database: userDatabaseUrl
  needs: [redis, serviceAuth, contracts, cursor, dataKeys, mail]
  calls: [gateway]
  reaches: [database, redis, internet, mail]
notifications:
  command: services/user/main.ts
  port: 4200
  kind: working
  database: userDatabaseUrl
  needs: [redis, serviceAuth, contracts, cursor, dataKeys, mail]
  calls: [gateway]
  reaches: [database, redis, internet, mail]
controller:
  command: controllers/main.ts
  port: 4300
  kind: working
  needs: [redis]
  calls: [gateway]
  reaches: [redis, chain, kubernetes]
console:
  command: console/server/main.ts
  port: 4400
  kind: serving
  database: consoleDatabaseUrl
  needs: [serviceAuth, operators]
  calls: [gateway, transactions, rpcWorkers, indexer, api, user, notifications, controller]
  reaches: [database, kubernetes]
{{- end -}}
