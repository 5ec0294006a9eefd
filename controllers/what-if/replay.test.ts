import { describe, expect, it } from '@jest/globals';
import { pool } from '../rpc-worker-pool/testing/scenes.ts';
import { plot } from './plot.ts';
import { parseCsv } from './recording.ts';
import { replay, suggest } from './replay.ts';

const steady = (arrivals: number, seconds = 600) =>
  Array.from({ length: seconds / 10 }, (_, i) => ({
    at: i * 10_000,
    arrivals,
    serviceSeconds: 0.8,
    providerDown: undefined,
    providerLimit: undefined,
  }));

describe('what-if', () => {
  it('settles at the pods that the load needs, and keeps the objective', () => {
    const outcome = replay(pool(), steady(14));
    expect(outcome.points.at(-1)?.replicas).toBe(4);
    expect(outcome.lateSeconds).toBe(0);
  });

  it('shows what a ceiling that is too low costs', () => {
    const outcome = replay(pool({ maxReplicas: 2 }), steady(20));
    expect(outcome.lateSeconds).toBeGreaterThan(400);
    expect(outcome.peakReplicas).toBe(2);
  });

  it('suggests the smallest ceiling that keeps the objective, and says when none does', () => {
    const found = suggest(pool({ maxReplicas: 2 }), steady(20), 1);
    expect(found?.maxReplicas).toBeGreaterThanOrEqual(4);
    expect(found?.maxReplicas).toBeLessThanOrEqual(10);
    const blocked = steady(20).map((sample) => ({ ...sample, providerLimit: 5 }));
    expect(suggest(pool(), blocked, 1)).toBeUndefined();
  });

  it('draws every run with its name, safely', () => {
    const svg = plot([{ name: 'a <b> & "c"', outcome: replay(pool(), steady(5)) }], 30);
    expect(svg).toMatch(/^<svg /);
    expect(svg).toContain('a &#60;b&#62; &#38; &#34;c&#34;');
    expect(svg.match(/<path /g)).toHaveLength(5);
  });
});

describe('a recording', () => {
  it('is read from CSV with seconds or times', () => {
    expect(parseCsv('time,arrivals,service,down\n0,5,0.4,0\n10,6,,1\n')).toEqual([
      { at: 0, arrivals: 5, serviceSeconds: 0.4, providerDown: false, providerLimit: undefined },
      { at: 10_000, arrivals: 6, serviceSeconds: undefined, providerDown: true, providerLimit: undefined },
    ]);
    expect(parseCsv('time,arrivals\n2026-01-01T00:00:00Z,1\n2026-01-01T00:00:10Z,2')[1]?.at).toBe(
      Date.UTC(2026, 0, 1, 0, 0, 10),
    );
  });

  it.each([
    ['arrivals\n1\n2', 'the column "time" is missing; the first line must name the columns'],
    ['time,arivals\n0,1', 'unknown column "arivals"; expected time, arrivals, service, down, limit'],
    ['time,arrivals\n0,1\n5,many', 'line 3: arrivals "many" is not a number of zero or more'],
    ['time,arrivals\n5,1\n5,1', 'line 3: times must rise'],
    ['time,arrivals\nyesterday,1', 'line 2: time "yesterday" is neither seconds nor ISO 8601'],
    ['time,arrivals\n0,1', 'a recording needs at least two lines of data'],
  ])('that is wrong is refused with the place: %j', (csv, message) => {
    expect(() => parseCsv(csv)).toThrow(message);
  });
});
