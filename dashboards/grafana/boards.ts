import type { BoardSpec } from './board.ts';
import { api } from './boards/api.ts';
import { business } from './boards/business.ts';
import { chainGateway } from './boards/chain-gateway.ts';
import { controller } from './boards/controller.ts';
import { k6Run } from './boards/k6-run.ts';
import { notifications } from './boards/notifications.ts';
import { realUsers } from './boards/real-users.ts';
import { sloOverview } from './boards/slo-overview.ts';
import { transactions } from './boards/transactions.ts';
import { user } from './boards/user.ts';

/** Every dashboard; a new one is added here and nowhere else. */
export const BOARDS: readonly BoardSpec[] = [
  sloOverview,
  api,
  user,
  chainGateway,
  transactions,
  notifications,
  controller,
  business,
  k6Run,
  realUsers,
];
