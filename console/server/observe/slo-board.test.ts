import { describe, expect, it } from '@jest/globals';
import { parseExposition } from './exposition.ts';
import type { Round } from './sampler.ts';
import { createSloBoard, type SloView, withPrometheus } from './slo-board.ts';

const round = (at: number, text: string): Round => ({
  at,
  readings: [
    {
      target: { name: 'api', url: 'http://x' },
      at,
      ready: true,
      error: undefined,
      parts: [],
      samples: parseExposition(text),
    },
  ],
});

const requests = (good: number, failed: number): string => `
http_request_duration_seconds_count{service="api",route="/v1/tokens",status="200"} ${good}
http_request_duration_seconds_count{service="api",route="/v1/tokens",status="500"} ${failed}
http_request_duration_seconds_count{service="api",route="/livez",status="500"} 9999`;

const find = (views: readonly SloView[], id: string): SloView => {
  const found = views.find((view) => view.id === id);
  if (found === undefined) throw new Error(`${id} is not shown`);
  return found;
};

describe('the board of promises', () => {
  it('computes what is left of a budget from counters alone, health checks left out', () => {
    const board = createSloBoard();
    board.add(round(0, requests(9_995, 5)));
    // 0.1 % may fail; 0.05 % did: half of the budget is left.
    expect(find(board.view(), 'api-errors')).toMatchObject({ events: 10_000, state: 'kept' });
    expect(find(board.view(), 'api-errors').budgetLeft).toBeCloseTo(0.5);
  });

  it('sees a fast burn before the budget is gone', () => {
    const board = createSloBoard();
    board.add(round(0, requests(1_000_000, 0)));
    board.add(round(60_000, requests(1_000_980, 20)));
    const slo = find(board.view(), 'api-errors');
    expect(slo.burnRate).toBeCloseTo(20);
    expect(slo.state).toBe('at-risk');
  });

  it('counts anew after a restart instead of showing negative rates', () => {
    const board = createSloBoard();
    board.add(round(0, requests(1_000_000, 500)));
    board.add(round(60_000, requests(100, 0)));
    expect(find(board.view(), 'api-errors')).toMatchObject({ burnRate: 0, state: 'kept', events: 100 });
  });

  it('calls nothing broken because of a handful, and says so when it is', () => {
    const few = createSloBoard();
    few.add(round(0, requests(8, 1)));
    expect(find(few.view(), 'api-errors').state).toBe('at-risk');
    const many = createSloBoard();
    many.add(round(0, requests(800, 100)));
    expect(find(many.view(), 'api-errors').state).toBe('broken');
  });

  it('shows no data as no data', () => {
    const board = createSloBoard();
    board.add(round(0, ''));
    expect(find(board.view(), 'api-errors')).toMatchObject({
      state: 'no-data',
      good: null,
      budgetLeft: null,
    });
    expect(find(board.view(), 'notifications-complete').state).toBe('no-data');
  });

  it('breaks an invariant at one', () => {
    const board = createSloBoard();
    board.add(round(0, 'notifications_missing{service="user"} 0'));
    expect(find(board.view(), 'notifications-complete').state).toBe('kept');
    board.add(round(1, 'notifications_missing{service="user"} 1'));
    expect(find(board.view(), 'notifications-complete').state).toBe('broken');
  });

  it('takes the whole window from Prometheus where it has it', async () => {
    const board = createSloBoard();
    board.add(round(0, requests(100, 0)));
    const answers: Record<string, number> = {
      'slo:period_error_budget_remaining:ratio': 0.1,
      'slo:current_burn_rate:ratio': 2,
    };
    const views = await withPrometheus(board.view(), {
      byLabel: async (query) => new Map(answers[query] === undefined ? [] : [['api-errors', answers[query]]]),
    });
    expect(find(views, 'api-errors')).toMatchObject({ budgetLeft: 0.1, burnRate: 2, state: 'at-risk' });
    expect(find(views, 'api-errors').over).toContain('30 days');
    expect(find(views, 'user-errors').state).toBe('no-data');
  });
});
