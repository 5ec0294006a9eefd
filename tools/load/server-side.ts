import { parseMetrics, type Sample, sumOf } from '../demo/metrics-text.ts';

/** The processes that a run may look into, by name. */
export type ProcessUrls = Readonly<Record<string, string>>;

/** What the services themselves counted while the run went on. */
export interface ServerSide {
  /** 5xx answers and all answers, by service. */
  readonly http: Readonly<Record<string, { readonly errors: number; readonly all: number }>>;
  readonly included: { readonly reverted: number; readonly all: number };
  /** `notifications_missing` at the end; undefined when nobody reports it. */
  readonly missing: number | undefined;
  /** Looks at the metrics of all processes, and how many of them every process answered in time. */
  readonly looks: { readonly all: number; readonly complete: number; readonly slowestMs: number };
  /** Routes that were asked and stand in no OpenAPI document; undefined when no document could be read. */
  readonly undocumented: readonly string[] | undefined;
  readonly documentedRoutes: number;
}

/** How often the metrics are looked at; a dashboard that is refreshed every half minute is called live. */
const LOOK_EVERY_MS = 5_000;
/** A process whose metrics take longer is not visible in real time. */
const ANSWER_WITHIN_MS = 2_000;

const HTTP = 'http_request_duration_seconds_count';
const OWN_ROUTES = ['/livez', '/readyz', '/metrics', '/openapi.json', 'unmatched'];

async function samplesOf(url: string): Promise<Sample[]> {
  const response = await fetch(`${url}/metrics`, { signal: AbortSignal.timeout(ANSWER_WITHIN_MS) });
  if (!response.ok) throw new Error(`${url}/metrics answered ${response.status}`);
  return parseMetrics(await response.text());
}

/** `/v1/x/:id` and `/v1/x/{id}` are the same route. */
const normalise = (route: string): string => route.replace(/\{[^}]+\}|:\w+/g, '{}');

/** Routes that were asked, and those that the services' documents describe. */
async function compareWithDocuments(
  urls: ProcessUrls,
  after: ReadonlyMap<string, readonly Sample[]>,
): Promise<{ undocumented: string[]; documented: number } | undefined> {
  const undocumented: string[] = [];
  let documented = 0;
  for (const name of ['api', 'user', 'gateway']) {
    const [url, samples] = [urls[name], after.get(name)];
    if (url === undefined || samples === undefined) continue;
    const response = await fetch(`${url}/openapi.json`, { signal: AbortSignal.timeout(10_000) }).catch(
      () => undefined,
    );
    if (!response?.ok) {
      undocumented.push(`${name}: no /openapi.json`);
      continue;
    }
    const document = (await response.json()) as { openapi?: string; paths?: Record<string, unknown> };
    if (!document.openapi?.startsWith('3.1')) undocumented.push(`${name}: no OpenAPI 3.1`);
    const paths = new Set(Object.keys(document.paths ?? {}).map(normalise));
    documented += paths.size;
    const routes = samples
      .filter(({ name: metric, labels }) => metric === HTTP && labels.status?.startsWith('2'))
      .map(({ labels }) => labels.route ?? '');
    for (const route of new Set(routes)) {
      // JSON-RPC has its own description; internal routes are for services.
      if (OWN_ROUTES.includes(route) || /^\/(internal|rpc|docs)/.test(route)) continue;
      if (!paths.has(normalise(route))) undocumented.push(`${name}: ${route}`);
    }
  }
  return documented === 0 && undocumented.length === 0 ? undefined : { undocumented, documented };
}

/** Watches the processes during a run; `finish` says what they counted since the start. */
export async function watchServerSide(urls: ProcessUrls): Promise<{ finish(): Promise<ServerSide> }> {
  const names = Object.keys(urls);
  const looks = { all: 0, complete: 0, slowestMs: 0 };
  const look = async (): Promise<Map<string, Sample[]>> => {
    const found = new Map<string, Sample[]>();
    await Promise.all(
      names.map(async (name) => {
        const from = performance.now();
        try {
          found.set(name, await samplesOf(urls[name] as string));
          looks.slowestMs = Math.max(looks.slowestMs, performance.now() - from);
        } catch {
          // Not visible: that is what is counted.
        }
      }),
    );
    looks.all += 1;
    if (found.size === names.length) looks.complete += 1;
    return found;
  };
  const before = await look();
  const timer = setInterval(() => void look(), LOOK_EVERY_MS);
  const delta = (
    after: ReadonlyMap<string, readonly Sample[]>,
    name: string,
    measure: (samples: readonly Sample[]) => number,
  ): number => measure(after.get(name) ?? []) - measure(before.get(name) ?? []);

  return {
    async finish() {
      clearInterval(timer);
      const after = await look();
      const userFacing = (samples: readonly Sample[], errors: boolean): number =>
        samples
          .filter(({ name, labels }) => name === HTTP && !OWN_ROUTES.includes(labels.route ?? ''))
          .filter(({ labels }) => !errors || labels.status?.startsWith('5'))
          .reduce((sum, { value }) => sum + value, 0);
      const missing = after.get('user')?.filter(({ name }) => name === 'notifications_missing');
      const documents = await compareWithDocuments(urls, after);
      const included = 'gateway_transactions_included_total';
      return {
        http: Object.fromEntries(
          names
            .filter((name) => after.has(name))
            .map((name) => [
              name,
              {
                errors: delta(after, name, (s) => userFacing(s, true)),
                all: delta(after, name, (s) => userFacing(s, false)),
              },
            ]),
        ),
        included: {
          reverted: delta(after, 'gateway-worker', (s) => sumOf([...s], included, { outcome: 'reverted' })),
          all: delta(after, 'gateway-worker', (s) => sumOf([...s], included)),
        },
        missing: missing?.length ? Math.max(...missing.map(({ value }) => value)) : undefined,
        looks,
        undocumented: documents?.undocumented,
        documentedRoutes: documents?.documented ?? 0,
      };
    },
  };
}
