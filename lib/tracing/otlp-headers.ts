import { z } from 'zod';

/** OTEL_EXPORTER_OTLP_HEADERS: `name=value[,name=value]`, values percent-encoded (OpenTelemetry's exporter specification). */
export const otlpHeaders = z.string().transform((text, ctx) => {
  const pairs = text
    .split(',')
    .filter((part) => part.trim() !== '')
    .map((part) => {
      const at = part.indexOf('=');
      return { name: part.slice(0, Math.max(at, 0)).trim(), value: part.slice(at + 1).trim() };
    });
  if (pairs.some(({ name, value }) => !/^[A-Za-z0-9-]+$/.test(name) || value === '')) {
    ctx.addIssue({ code: 'custom', message: 'expected name=value[,name=value]' });
    return z.NEVER;
  }
  return Object.fromEntries(pairs.map(({ name, value }) => [name, decoded(value)]));
});

function decoded(value: string): string {
  try {
    return decodeURIComponent(value);
  } catch {
    return value;
  }
}
