import type { EventBody } from './index-types.ts';

/** An event's own fields as they leave the gateway: bigints as decimal strings, without the type. */
export function eventData(body: EventBody): Record<string, string> {
  const { type: _type, ...fields } = body;
  return Object.fromEntries(Object.entries(fields).map(([key, value]) => [key, String(value)]));
}
