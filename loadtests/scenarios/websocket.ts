import { duration, optionsOf } from '../lib/settings.ts';
import { subscribe } from '../lib/subscribe.ts';
import { summaryTo } from '../lib/summary.ts';

/** Fifty clients that subscribe to new heads, listen for a few blocks, leave and come back. */
export const options = optionsOf(['websocket'], {
  websocket: { executor: 'constant-vus', vus: 50, duration: duration('1m'), gracefulStop: '15s' },
});

export default subscribe;
export const handleSummary = summaryTo;
