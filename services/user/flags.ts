import type { FlagDefinition } from '../../lib/flags.ts';
import { CHANNELS, type Channel } from './preferences/schema.ts';

export const deliveryFlagKey = (channel: Channel): string => `user-deliver-${channel}`;

/** What operators can switch while the user service runs. */
export const userFlags: readonly FlagDefinition[] = CHANNELS.map((channel) => ({
  key: deliveryFlagKey(channel),
  type: 'boolean',
  fallback: true,
  description: `Messages leave by ${channel}. Off, they wait in the database and lose nothing.`,
}));
