import { request } from 'undici';
import { z } from 'zod';

export interface Prometheus {
  /** The present value per value of one label. */
  byLabel(query: string, label: string): Promise<ReadonlyMap<string, number>>;
}

const TIMEOUT_MS = 4_000;
const answerSchema = z.object({
  status: z.literal('success'),
  data: z.object({
    result: z.array(
      z.object({ metric: z.record(z.string(), z.string()), value: z.tuple([z.number(), z.string()]) }),
    ),
  }),
});

/** Instant queries against Prometheus' HTTP API. */
export function createPrometheus(options: { url: string; token: string | undefined }): Prometheus {
  return {
    async byLabel(query, label) {
      const answer = await request(`${options.url}/api/v1/query?${new URLSearchParams({ query })}`, {
        headers: {
          accept: 'application/json',
          ...(options.token === undefined ? {} : { authorization: `Bearer ${options.token}` }),
        },
        signal: AbortSignal.timeout(TIMEOUT_MS),
      });
      if (answer.statusCode !== 200) {
        await answer.body.dump();
        throw new Error(`Prometheus answered ${answer.statusCode}`);
      }
      const { data } = answerSchema.parse(await answer.body.json());
      return new Map(
        data.result
          .map(({ metric, value }) => [metric[label] ?? '', Number(value[1])] as const)
          .filter(([, value]) => Number.isFinite(value)),
      );
    },
  };
}
