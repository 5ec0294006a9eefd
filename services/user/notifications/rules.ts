import type { Stage } from '../gateway/schemas.ts';
import type { Notice } from './matching.ts';

/** What changes for one inbox row. */
export type InboxChange =
  | { readonly do: 'insert'; readonly notice: Notice }
  | {
      readonly do: 'restage';
      readonly personId: string;
      readonly eventKey: string;
      readonly stage: Stage;
      readonly announce: boolean;
      /** The stage before this batch. */
      readonly from: Stage;
    };

const RANK: Record<Exclude<Stage, 'reverted'>, number> = { pending: 0, confirmed: 1, finalized: 2 };

export const noticeKey = (n: { personId: string; eventKey: string }): string => `${n.personId}|${n.eventKey}`;

/**
 * What a batch of notices does to the inbox: at most one change per row, however many stages of it are in the batch.
 * A row that is taken back, or comes back after that, is announced again (unread); a rising stage is not.
 *
 * @param stored the stage of the rows that exist, by {@link noticeKey}.
 */
export function planInbox(notices: readonly Notice[], stored: ReadonlyMap<string, Stage>): InboxChange[] {
  const plan = new Map<string, InboxChange>();
  const stages = new Map<string, Stage>(stored);
  for (const notice of notices) {
    const key = noticeKey(notice);
    const current = stages.get(key);
    const planned = plan.get(key);
    if (current === undefined) {
      // Taken back before we ever spoke of it: there is nothing to tell.
      if (notice.stage === 'reverted') continue;
      plan.set(key, { do: 'insert', notice });
    } else {
      const reverted = notice.stage === 'reverted';
      const wasReverted = current === 'reverted';
      const moves = reverted
        ? !wasReverted
        : wasReverted || RANK[notice.stage as 'pending'] > RANK[current as 'pending'];
      if (!moves) continue;
      if (planned?.do === 'insert')
        plan.set(key, { do: 'insert', notice: { ...planned.notice, stage: notice.stage } });
      else
        plan.set(key, {
          do: 'restage',
          personId: notice.personId,
          eventKey: notice.eventKey,
          stage: notice.stage,
          from: stored.get(key) as Stage,
          announce: reverted || wasReverted || (planned?.do === 'restage' && planned.announce),
        });
    }
    stages.set(key, notice.stage);
  }
  return [...plan.values()];
}
