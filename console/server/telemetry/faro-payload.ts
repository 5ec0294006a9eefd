import { z } from 'zod';

/**
 * What the Faro Web SDK sends, as far as we use it. Everything is bounded: this comes from anybody who can reach the
 * port. Unknown members are dropped; a wrong type refuses the whole body.
 */

const short = z.string().max(200);
const text = z.string().max(4_000);
const context = z
  .record(short, text)
  .refine((value) => Object.keys(value).length <= 30, 'at most 30 entries');
const MAX_ITEMS = 100;

const traceSchema = z.object({
  trace_id: z.string().regex(/^[0-9a-f]{32}$/),
  span_id: z.string().regex(/^[0-9a-f]{16}$/),
});

const item = { timestamp: short.optional(), trace: traceSchema.optional(), context: context.optional() };

const attributeSchema = z.object({
  key: short,
  value: z.object({
    stringValue: text.optional(),
    intValue: z.union([z.number(), short]).optional(),
    doubleValue: z.number().optional(),
    boolValue: z.boolean().optional(),
  }),
});

const spanSchema = z.object({
  traceId: z.string().regex(/^[0-9a-f]{32}$/),
  spanId: z.string().regex(/^[0-9a-f]{16}$/),
  parentSpanId: z
    .string()
    .regex(/^[0-9a-f]{16}$/)
    .optional(),
  name: short,
  kind: z.int().min(0).max(5),
  startTimeUnixNano: z.string().regex(/^\d{1,20}$/),
  endTimeUnixNano: z.string().regex(/^\d{1,20}$/),
  attributes: z.array(attributeSchema).max(30).optional(),
  status: z.object({ code: z.int().min(0).max(2).optional(), message: short.optional() }).optional(),
});

export const faroPayload = z
  .object({
    meta: z
      .object({
        app: z
          .object({ name: short.optional(), version: short.optional(), environment: short.optional() })
          .optional(),
        session: z.object({ id: short.optional() }).optional(),
        page: z.object({ url: text.optional() }).optional(),
        view: z.object({ name: short.optional() }).optional(),
        browser: z
          .object({ name: short.optional(), version: short.optional(), mobile: z.boolean().optional() })
          .optional(),
      })
      .default({}),
    exceptions: z
      .array(
        z.object({
          ...item,
          type: short.default('Error'),
          value: text.default(''),
          stacktrace: z
            .object({
              frames: z
                .array(
                  z.object({
                    filename: text.optional(),
                    function: text.optional(),
                    lineno: z.number().optional(),
                    colno: z.number().optional(),
                  }),
                )
                .max(100),
            })
            .optional(),
        }),
      )
      .max(MAX_ITEMS)
      .optional(),
    measurements: z
      .array(
        z.object({
          ...item,
          type: short,
          values: z
            .record(short, z.number())
            .refine((value) => Object.keys(value).length <= 30, 'at most 30 values'),
        }),
      )
      .max(MAX_ITEMS)
      .optional(),
    logs: z
      .array(z.object({ ...item, level: short.optional(), message: text.optional() }))
      .max(MAX_ITEMS)
      .optional(),
    events: z
      .array(z.object({ ...item, name: short, domain: short.optional(), attributes: context.optional() }))
      .max(MAX_ITEMS)
      .optional(),
    traces: z
      .object({
        resourceSpans: z
          .array(
            z.object({
              scopeSpans: z.array(z.object({ spans: z.array(spanSchema).max(MAX_ITEMS) })).max(10),
            }),
          )
          .max(10),
      })
      .optional(),
  })
  .meta({ id: 'FaroPayload' });

export type FaroPayload = z.output<typeof faroPayload>;
