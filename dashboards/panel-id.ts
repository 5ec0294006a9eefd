/** Ids below belong to rows; ours are spread over the rest of what Grafana takes without trouble. */
const FIRST_ID = 100;
const ID_SPAN = 900_000;

/**
 * The id of a panel from its key, so that a link to a panel (`viewPanel=…`) survives when others are added or moved.
 * FNV-1a, 32 bits.
 */
export function panelId(key: string): number {
  let hash = 0x811c9dc5;
  for (const char of key) hash = Math.imul(hash ^ (char.codePointAt(0) as number), 0x01000193) >>> 0;
  return FIRST_ID + (hash % ID_SPAN);
}

/** Path of a dashboard, or of one of its panels alone, below the address of Grafana. */
export const dashboardLink = (uid: string, panelKey?: string): string =>
  panelKey === undefined ? `/d/${uid}` : `/d/${uid}?viewPanel=${panelId(panelKey)}`;
