import type { MeasuredCosts } from './measure.ts';

/** What people ask of the platform at its peak. */
export interface Demand {
  /** Requests of people a minute, API and user service together. */
  readonly requestsPerMinute: number;
  readonly transactionsPerMinute: number;
  /** Apps that are open, each with a stream. */
  readonly streams: number;
  readonly blockSeconds: number;
}

/** The peak that is promised, with the transfers that the load test sends under it. */
export const TODAY: Demand = {
  requestsPerMinute: 1_000,
  transactionsPerMinute: 20,
  streams: 1_000,
  blockSeconds: 12,
};

export const scaled = (demand: Demand, factor: number): Demand => ({
  ...demand,
  requestsPerMinute: demand.requestsPerMinute * factor,
  transactionsPerMinute: demand.transactionsPerMinute * factor,
  streams: demand.streams * factor,
});

/**
 * A process computes on one core. Above 60 % of it answers wait for each other: in an M/M/1 queue at 0.6 the 99th
 * percentile of the response is 11 service times, at 0.9 it is 46.
 */
const USE_OF_A_CORE = 0.6;
/** Fewer than two and a release or a node is an outage. */
const LEAST_REPLICAS = 2;
/** A database wants room for vacuum, backups and the failover's catching up. */
const USE_OF_POSTGRES = 0.5;
/** Redis computes on one core, and a slow command stops all others. */
const USE_OF_REDIS = 0.4;
/** Postgres on one machine; above it persons are divided over several. */
const LARGEST_POSTGRES_CORES = 64;
/** Transactions of one signer that may be under way (policy maxInFlight of the lanes). */
const IN_FLIGHT_PER_LANE = 16;
/** Blocks from the request to the inclusion, on the cautious side. */
const BLOCKS_TO_INCLUSION = 2;
/** Sockets that one process holds open without noticing; measured by the load test of streams far below this. */
const STREAMS_PER_PROCESS = 10_000;

export interface Need {
  readonly demand: Demand;
  readonly requestsPerSecond: number;
  readonly replicas: {
    readonly api: number;
    readonly user: number;
    readonly gateway: number;
    readonly worker: number;
  };
  readonly postgresCores: number;
  /** Machines with at most 64 cores over which persons have to be divided. */
  readonly postgresShards: number;
  readonly redisShards: number;
  readonly providerCallsPerSecond: number;
  readonly signerLanes: number;
  /** Share of one core that the one active indexer of a chain uses. */
  readonly indexerUse: number;
}

const replicas = (cores: number): number => Math.max(LEAST_REPLICAS, Math.ceil(cores / USE_OF_A_CORE));

/** What a demand needs, from measured costs. */
export function needOf(demand: Demand, { cpu, ratios }: MeasuredCosts): Need {
  const perSecond = demand.requestsPerMinute / 60;
  const api = perSecond * ratios.apiShare;
  const user = perSecond - api;
  const gateway = api * ratios.gatewayCallsPerApiRequest;
  const transactions = demand.transactionsPerMinute / 60;
  const postgres = (perSecond * cpu.postgresPerRequest) / USE_OF_POSTGRES;
  return {
    demand,
    requestsPerSecond: perSecond,
    replicas: {
      api: replicas(api * cpu.apiPerRequest),
      user: Math.max(replicas(user * cpu.userPerRequest), Math.ceil(demand.streams / STREAMS_PER_PROCESS)),
      gateway: replicas(gateway * cpu.gatewayPerCall),
      worker: replicas(transactions * cpu.workerPerTransaction),
    },
    postgresCores: Math.max(1, Math.ceil(postgres)),
    postgresShards: Math.max(1, Math.ceil(postgres / LARGEST_POSTGRES_CORES)),
    redisShards: Math.max(1, Math.ceil((perSecond * cpu.redisPerRequest) / USE_OF_REDIS)),
    providerCallsPerSecond: gateway * ratios.providerCallsPerGatewayCall,
    signerLanes: Math.max(
      1,
      Math.ceil((transactions * demand.blockSeconds * BLOCKS_TO_INCLUSION) / IN_FLIGHT_PER_LANE),
    ),
    indexerUse: cpu.indexerPerBlock / demand.blockSeconds,
  };
}

/** Units of work a second at which one process of each kind is at 60 % of its core. */
export const saturationOf = ({ cpu }: MeasuredCosts): Readonly<Record<string, number>> => ({
  'api requests': USE_OF_A_CORE / cpu.apiPerRequest,
  'user service requests': USE_OF_A_CORE / cpu.userPerRequest,
  'gateway calls': USE_OF_A_CORE / cpu.gatewayPerCall,
  'worker transactions': USE_OF_A_CORE / cpu.workerPerTransaction,
  'indexer blocks': USE_OF_A_CORE / cpu.indexerPerBlock,
  'Redis: requests of people': USE_OF_REDIS / cpu.redisPerRequest,
  'Postgres core: requests of people': USE_OF_POSTGRES / cpu.postgresPerRequest,
});
