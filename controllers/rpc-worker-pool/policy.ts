import {
  type DirectionBehavior,
  MAX_REPLICAS_LIMIT,
  type Memory,
  type Policy,
  type PoolSpec,
} from './types.ts';

type ScaleEvent = Memory['scaleEvents'][number];

/** Pods added (positive) or removed (negative) within the period, net. */
function netChange(events: readonly ScaleEvent[], at: number, periodSeconds: number): number {
  const since = at - periodSeconds * 1000;
  return events.filter((event) => event.at > since).reduce((sum, event) => sum + event.to - event.from, 0);
}

/**
 * The replicas a policy allows at most (up) or at least (down), counted from where the period began. `heldMs` is how
 * long growth that was needed was prevented: each whole period of it would have allowed a further step.
 */
function allowed(
  policy: Policy,
  events: readonly ScaleEvent[],
  current: number,
  at: number,
  direction: 'up' | 'down',
  heldMs: number,
): number {
  const start = current - netChange(events, at, policy.periodSeconds);
  if (direction === 'up') {
    const steps = 1 + Math.floor(heldMs / (policy.periodSeconds * 1000));
    if (policy.type === 'Pods') return start + policy.value * steps;
    return Math.ceil(Math.min(MAX_REPLICAS_LIMIT, start * (1 + policy.value / 100) ** steps));
  }
  return policy.type === 'Pods' ? start - policy.value : Math.floor(start * (1 - policy.value / 100));
}

function limit(
  side: DirectionBehavior,
  events: readonly ScaleEvent[],
  current: number,
  at: number,
  direction: 'up' | 'down',
  heldMs = 0,
): number {
  const limits = side.policies.map((policy) => allowed(policy, events, current, at, direction, heldMs));
  const most = direction === 'up' ? Math.max : Math.min;
  const least = direction === 'up' ? Math.min : Math.max;
  return side.selectPolicy === 'Min' ? least(...limits) : most(...limits);
}

/**
 * How far the replicas may move now, as a HorizontalPodAutoscaler counts it. A move from 0 to 1 is always allowed:
 * a percentage of nothing would be nothing for ever.
 *
 * Policies damp the reaction to a need that has just shown. A need that has stood for all the time in which providers
 * were down or full has been damped already, so the steps of that time may be taken at once.
 * @param heldMs how long needed growth was prevented by something else
 */
export function applyPolicies(
  behavior: PoolSpec['behavior'],
  events: readonly ScaleEvent[],
  current: number,
  target: number,
  at: number,
  heldMs = 0,
): { replicas: number; limitedBy?: string } {
  if (target > current) {
    const side = behavior.scaleUp;
    if (side.selectPolicy === 'Disabled')
      return { replicas: current, limitedBy: 'scaleUp.selectPolicy is Disabled' };
    const ceiling = Math.max(current === 0 ? 1 : current, limit(side, events, current, at, 'up', heldMs));
    return target <= ceiling
      ? { replicas: target }
      : { replicas: ceiling, limitedBy: describe('scaleUp', side) };
  }
  if (target < current) {
    const side = behavior.scaleDown;
    if (side.selectPolicy === 'Disabled')
      return { replicas: current, limitedBy: 'scaleDown.selectPolicy is Disabled' };
    const floor = Math.min(current, Math.max(0, limit(side, events, current, at, 'down')));
    return target >= floor
      ? { replicas: target }
      : { replicas: floor, limitedBy: describe('scaleDown', side) };
  }
  return { replicas: target };
}

function describe(name: string, side: DirectionBehavior): string {
  const list = side.policies.map(
    (p) =>
      `${p.value}${p.type === 'Percent' ? ' %' : p.value === 1 ? ' pod' : ' pods'} per ${p.periodSeconds} s`,
  );
  return `${name}: ${list.join(side.selectPolicy === 'Min' ? ' and ' : ' or ')}`;
}

/** Adds a change of the scale; events older than every policy's period are dropped. */
export function rememberScale(
  behavior: PoolSpec['behavior'],
  events: readonly ScaleEvent[],
  event: ScaleEvent | undefined,
  at: number,
): ScaleEvent[] {
  const longest = Math.max(
    ...[...behavior.scaleUp.policies, ...behavior.scaleDown.policies].map((p) => p.periodSeconds),
  );
  const kept = events.filter((e) => e.at > at - longest * 1000);
  return (event ? [...kept, event] : kept).slice(-64);
}
