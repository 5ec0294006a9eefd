import type { Clock } from '../../../lib/time.ts';
import type { Provider } from '../providers/provider.ts';
import type { AttemptRecord } from '../rpc/engine.ts';
import { isKnownMethod } from '../rpc/methods.ts';

/** What was spent on one combination. */
export interface CostLine {
  calls: number;
  units: number;
  /** In the currency of the providers file. */
  money: number;
}

export interface CostPeriod {
  /** `2026-11-23` or `2026-11`, UTC. */
  readonly period: string;
  readonly total: CostLine;
  readonly byPrincipal: Readonly<Record<string, CostLine>>;
  readonly byMethod: Readonly<Record<string, CostLine>>;
  readonly byProvider: Readonly<Record<string, CostLine>>;
  /** Why calls went upstream: `first`, `retry`, `hedge`, `verify`. */
  readonly byReason: Readonly<Record<string, CostLine>>;
  /** What the cache and coalescing made unnecessary, priced at the mean of what was bought. */
  readonly saved: CostLine;
}

export interface CostChange {
  readonly day: string;
  readonly field: string;
  readonly line: CostLine;
}

export interface CostBook {
  charge(record: AttemptRecord): void;
  saved(method: string, units: number): void;
  /** The day that is being booked, UTC, `2026-11-23`. */
  today(): string;
  report(): { readonly today: CostPeriod; readonly month: CostPeriod };
  /** Adds what another process, or this one before a restart, has spent. */
  add(day: string, field: string, line: CostLine): void;
  /** What changed since the last call, by day and field, for a store that outlives the process. */
  takeChanges(): CostChange[];
  /** Takes changes back that could not be stored. */
  giveBack(changes: readonly CostChange[]): void;
}

/** Principals listed by name and day; the rest is `others`, so that a flood of keys cannot fill memory. */
const MAX_PRINCIPALS = 1_000;
const DAYS_KEPT = 32;
/** Combinations tallied before they are folded into the days: bounds memory when principals or methods are many. */
const MAX_TALLIES = 5_000;

interface Tally {
  readonly principal: string;
  readonly method: string;
  readonly provider: Provider;
  readonly reason: string;
  calls: number;
  units: number;
}

type Day = Map<string, CostLine>;

function getOrAdd<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  let value = map.get(key);
  if (value === undefined) {
    value = make();
    map.set(key, value);
  }
  return value;
}

/** Counts compute units and money of every attempt, retries and hedges included; answers from memory cost nothing. */
export function createCostBook(deps: { clock: Pick<Clock, 'now'> }): CostBook {
  const days = new Map<string, Day>();
  let changes = new Map<string, CostLine>();
  let today = '';
  let todayEndsAt = 0;

  const dayNow = (): string => {
    const now = deps.clock.now();
    if (now < todayEndsAt) return today;
    today = new Date(now).toISOString().slice(0, 10);
    todayEndsAt = Date.parse(`${today}T00:00:00Z`) + 86_400_000;
    return today;
  };
  const lineOf = (map: Map<string, CostLine>, key: string): CostLine => {
    let line = map.get(key);
    if (line === undefined) {
      line = { calls: 0, units: 0, money: 0 };
      map.set(key, line);
    }
    return line;
  };
  const post = (
    day: string,
    field: string,
    calls: number,
    units: number,
    money: number,
    remember: boolean,
  ): void => {
    let fields = days.get(day);
    if (fields === undefined) {
      fields = new Map();
      days.set(day, fields);
      while (days.size > DAYS_KEPT) days.delete([...days.keys()].sort()[0] as string);
    }
    const targets = remember
      ? [lineOf(fields, field), lineOf(changes, `${day}|${field}`)]
      : [lineOf(fields, field)];
    for (const line of targets) {
      line.calls += calls;
      line.units += units;
      line.money += money;
    }
  };
  /** What was charged since the last fold, by principal, method, provider and reason: no strings are built per call. */
  const tallies: Tally[] = [];
  const tallyIndex: Map<string, Map<string, Map<Provider, Map<string, Tally>>>> = new Map();
  const tallyOf = (principal: string, method: string, provider: Provider, reason: string): Tally => {
    if (tallies.length >= MAX_TALLIES) fold();
    const methods = getOrAdd(tallyIndex, principal, () => new Map());
    const providers = getOrAdd(methods, method, () => new Map());
    const reasons = getOrAdd(providers, provider, () => new Map());
    let tally = reasons.get(reason);
    if (tally === undefined) {
      tally = { principal, method, provider, reason, calls: 0, units: 0 };
      reasons.set(reason, tally);
      tallies.push(tally);
    }
    return tally;
  };
  const savings = new Map<string, { calls: number; units: number }>();
  let tallyDay = '';

  /** Books the tallies under the day they belong to. */
  const fold = (): void => {
    const day = tallyDay;
    for (const { principal, method, provider, reason, calls, units } of tallies) {
      if (calls === 0) continue;
      const money = (units * provider.config.pricePerMillionUnits) / 1_000_000;
      post(day, principalField(day, principal), calls, units, money, true);
      post(day, methodField(method), calls, units, money, true);
      post(day, `provider:${provider.id}`, calls, units, money, true);
      post(day, `reason:${reason}`, calls, units, money, true);
    }
    for (const [method, { calls, units }] of savings)
      post(day, `saved:${isKnownMethod(method) ? method : 'other'}`, calls, units, 0, true);
    tallies.length = 0;
    tallyIndex.clear();
    savings.clear();
  };
  const startDay = (): void => {
    const day = dayNow();
    if (day === tallyDay) return;
    if (tallies.length > 0 || savings.size > 0) fold();
    tallyDay = day;
  };

  const principalField = (day: string, principal: string): string => {
    const field = `principal:${principal}`;
    const fields = days.get(day);
    if (fields === undefined || fields.has(field)) return field;
    return fields.size < MAX_PRINCIPALS ? field : 'principal:others';
  };
  const methodField = (method: string): string => `method:${isKnownMethod(method) ? method : 'other'}`;

  const summarise = (period: string): CostPeriod => {
    const groups: Record<string, Record<string, CostLine>> = {
      principal: {},
      method: {},
      provider: {},
      reason: {},
    };
    const total: CostLine = { calls: 0, units: 0, money: 0 };
    const saved: CostLine = { calls: 0, units: 0, money: 0 };
    const addTo = (target: CostLine, line: CostLine): void => {
      target.calls += line.calls;
      target.units += line.units;
      target.money += line.money;
    };
    for (const [day, fields] of days) {
      if (!day.startsWith(period)) continue;
      for (const [field, line] of fields) {
        const colon = field.indexOf(':');
        const group = field.slice(0, colon);
        const name = field.slice(colon + 1);
        if (group === 'saved') addTo(saved, line);
        else {
          const lines = groups[group];
          if (lines === undefined) continue;
          lines[name] ??= { calls: 0, units: 0, money: 0 };
          addTo(lines[name], line);
          if (group === 'provider') addTo(total, line);
        }
      }
    }
    saved.money = total.units > 0 ? (saved.units * total.money) / total.units : 0;
    return {
      period,
      total,
      byPrincipal: groups.principal as Record<string, CostLine>,
      byMethod: groups.method as Record<string, CostLine>,
      byProvider: groups.provider as Record<string, CostLine>,
      byReason: groups.reason as Record<string, CostLine>,
      saved,
    };
  };

  return {
    charge({ work, provider, reason, units }) {
      startDay();
      const tally = tallyOf(work.principal, work.method, provider, reason);
      tally.calls++;
      tally.units += units;
    },
    saved(method, units) {
      startDay();
      const line = savings.get(method);
      if (line === undefined) {
        if (savings.size > MAX_TALLIES) fold();
        savings.set(method, { calls: 1, units });
        return;
      }
      line.calls++;
      line.units += units;
    },
    today: dayNow,
    report() {
      startDay();
      fold();
      const day = dayNow();
      return { today: summarise(day), month: summarise(day.slice(0, 7)) };
    },
    add: (day, field, line) => post(day, field, line.calls, line.units, line.money, false),
    takeChanges() {
      startDay();
      fold();
      const taken = [...changes].map(([key, line]) => {
        const bar = key.indexOf('|');
        return { day: key.slice(0, bar), field: key.slice(bar + 1), line };
      });
      changes = new Map();
      return taken;
    },
    giveBack(back) {
      for (const { day, field, line } of back) {
        const target = lineOf(changes, `${day}|${field}`);
        target.calls += line.calls;
        target.units += line.units;
        target.money += line.money;
      }
    },
  };
}

/** One report out of several processes'. All are about the same period. */
export function addPeriods(periods: readonly CostPeriod[]): CostPeriod {
  const addLines = (lines: readonly CostLine[]): CostLine =>
    lines.reduce(
      (sum, line) => ({
        calls: sum.calls + line.calls,
        units: sum.units + line.units,
        money: sum.money + line.money,
      }),
      {
        calls: 0,
        units: 0,
        money: 0,
      },
    );
  const addGroups = (groups: readonly Readonly<Record<string, CostLine>>[]): Record<string, CostLine> => {
    const names = new Set(groups.flatMap((group) => Object.keys(group)));
    return Object.fromEntries(
      [...names].map((name) => [name, addLines(groups.flatMap((group) => group[name] ?? []))]),
    );
  };
  return {
    period: periods[0]?.period ?? '',
    total: addLines(periods.map(({ total }) => total)),
    byPrincipal: addGroups(periods.map(({ byPrincipal }) => byPrincipal)),
    byMethod: addGroups(periods.map(({ byMethod }) => byMethod)),
    byProvider: addGroups(periods.map(({ byProvider }) => byProvider)),
    byReason: addGroups(periods.map(({ byReason }) => byReason)),
    saved: addLines(periods.map(({ saved }) => saved)),
  };
}
