/** One moment of a recorded or invented queue. */
export interface Sample {
  /** Epoch milliseconds. */
  readonly at: number;
  /** Jobs per second that arrived since the last sample. */
  readonly arrivals: number;
  /** Seconds one job occupied a slot; undefined keeps the last one. */
  readonly serviceSeconds: number | undefined;
  /** Whether the providers answered; undefined means yes. */
  readonly providerDown: boolean | undefined;
  /** Calls per second the providers take; undefined means no limit. */
  readonly providerLimit: number | undefined;
}

/** A recording that cannot be used; the message says where and what was expected. */
export class RecordingError extends Error {
  override readonly name = 'RecordingError';
}

const COLUMNS = ['time', 'arrivals', 'service', 'down', 'limit'] as const;

/**
 * Reads a CSV with a header. Columns: `time` (seconds or ISO 8601), `arrivals` (jobs per second), and optionally
 * `service` (seconds), `down` (0 or 1), `limit` (calls per second). Times must rise.
 */
export function parseCsv(text: string): Sample[] {
  const lines = text.split(/\r?\n/).filter((line) => line.trim() !== '' && !line.startsWith('#'));
  const header = (lines[0] ?? '').split(',').map((name) => name.trim().toLowerCase());
  for (const name of header) {
    if (!COLUMNS.includes(name as (typeof COLUMNS)[number])) {
      throw new RecordingError(`unknown column "${name}"; expected ${COLUMNS.join(', ')}`);
    }
  }
  for (const needed of ['time', 'arrivals']) {
    if (!header.includes(needed))
      throw new RecordingError(`the column "${needed}" is missing; the first line must name the columns`);
  }
  const samples: Sample[] = [];
  for (const [index, line] of lines.slice(1).entries()) {
    const cells = line.split(',').map((cell) => cell.trim());
    const cell = (name: (typeof COLUMNS)[number]): string | undefined =>
      cells[header.indexOf(name)] || undefined;
    const number = (name: (typeof COLUMNS)[number]): number | undefined => {
      const value = cell(name);
      if (value === undefined) return undefined;
      if (!Number.isFinite(Number(value)) || Number(value) < 0) {
        throw new RecordingError(`line ${index + 2}: ${name} "${value}" is not a number of zero or more`);
      }
      return Number(value);
    };
    const time = cell('time') ?? '';
    const at = /^\d+(\.\d+)?$/.test(time) ? Number(time) * 1000 : Date.parse(time);
    if (Number.isNaN(at))
      throw new RecordingError(`line ${index + 2}: time "${time}" is neither seconds nor ISO 8601`);
    const before = samples.at(-1);
    if (before && at <= before.at) throw new RecordingError(`line ${index + 2}: times must rise`);
    const down = number('down');
    samples.push({
      at,
      arrivals: number('arrivals') ?? 0,
      serviceSeconds: number('service'),
      providerDown: down === undefined ? undefined : down > 0,
      providerLimit: number('limit'),
    });
  }
  if (samples.length < 2) throw new RecordingError('a recording needs at least two lines of data');
  return samples;
}

interface RangeAnswer {
  status: string;
  error?: string;
  data?: { result: { values: [number, string][] }[] };
}

/**
 * Reads arrivals (and, when given, the service time) from Prometheus by range queries.
 * @param queries PromQL that yields one series each: jobs per second, and seconds per job.
 */
export async function readPrometheus(options: {
  url: string;
  queries: { arrivals: string; service?: string };
  from: Date;
  to: Date;
  stepSeconds: number;
}): Promise<Sample[]> {
  const range = async (query: string): Promise<Map<number, number>> => {
    const url = new URL('/api/v1/query_range', options.url);
    url.search = new URLSearchParams({
      query,
      start: options.from.toISOString(),
      end: options.to.toISOString(),
      step: `${options.stepSeconds}s`,
    }).toString();
    const response = await fetch(url, { signal: AbortSignal.timeout(30_000) });
    const body = (await response.json()) as RangeAnswer;
    if (body.status !== 'success' || !body.data)
      throw new RecordingError(`Prometheus refused ${query}: ${body.error ?? response.status}`);
    if (body.data.result.length > 1)
      throw new RecordingError(`${query} yields ${body.data.result.length} series; wrap it in sum(…)`);
    return new Map((body.data.result[0]?.values ?? []).map(([at, value]) => [at * 1000, Number(value)]));
  };
  const arrivals = await range(options.queries.arrivals);
  const service = options.queries.service ? await range(options.queries.service) : new Map<number, number>();
  const samples = [...arrivals].map(([at, value]): Sample => {
    const seconds = service.get(at);
    return {
      at,
      arrivals: Number.isFinite(value) ? value : 0,
      serviceSeconds: seconds !== undefined && Number.isFinite(seconds) ? seconds : undefined,
      providerDown: undefined,
      providerLimit: undefined,
    };
  });
  if (samples.length < 2)
    throw new RecordingError(
      `${options.queries.arrivals} has no data between ${options.from.toISOString()} and ${options.to.toISOString()}`,
    );
  return samples;
}
