/** Something that waits for its turn. */
export interface FairItem {
  /** Whose it is: those with the same name share one share. */
  readonly flow: string;
  /** Share relative to the other flows; 1 is ordinary. */
  readonly weight: number;
  /** What serving it takes, in any unit. */
  readonly cost: number;
  /** Monotonic milliseconds: inside a flow the most urgent goes first. */
  readonly deadlineAt: number;
  /** Set by whoever takes it out of the queue other than by serving it; it is dropped when its turn comes. */
  gone: boolean;
}

interface Flow<T> {
  readonly name: string;
  weight: number;
  /** Virtual time at which its next item may start. */
  start: number;
  /** By deadline, latest last. */
  readonly items: T[];
  /** Items that are not gone. */
  live: number;
}

/**
 * Start-time fair queueing between flows (Goyal, Vin, Cheng 1996), earliest deadline first inside a flow. A flow that is
 * served moves its start by cost ÷ weight; the smallest start is next. A flow that comes back after a pause starts at the
 * present virtual time: it can save up nothing, and owes nothing but what it took.
 *
 * Bound, for flows f and g that both wait during some interval: what they got, each divided by its weight, differs by
 * at most cost_f ÷ weight_f + cost_g ÷ weight_g of one item each, however much more one of them asks for.
 */
export interface FairQueue<T extends FairItem> {
  push(item: T): void;
  /** Some items whose turn it is, best first: the head of each of the first `most` flows. */
  candidates(most: number): T[];
  /** Takes out an item that `candidates` named and charges its flow. */
  served(item: T): void;
  /** The least urgent item of the flow that has most waiting; undefined when nothing waits. */
  worst(): T | undefined;
  /** An item was marked `gone`. */
  left(item: T): void;
  /** Items that would be served before a new one of this flow if nobody else came, at most and by fair share. */
  ahead(flow: string, weight: number): number;
  waitingOf(flow: string): number;
  size(): number;
}

export function createFairQueue<T extends FairItem>(): FairQueue<T> {
  const flows = new Map<string, Flow<T>>();
  /** Binary heap of flows with items, by start. */
  const heap: Flow<T>[] = [];
  let now = 0;
  let size = 0;
  let weights = 0;

  const before = (a: Flow<T>, b: Flow<T>): boolean => a.start < b.start;
  const up = (from: number): void => {
    let index = from;
    const flow = heap[index] as Flow<T>;
    while (index > 0) {
      const parent = (index - 1) >> 1;
      if (!before(flow, heap[parent] as Flow<T>)) break;
      heap[index] = heap[parent] as Flow<T>;
      index = parent;
    }
    heap[index] = flow;
  };
  const down = (from: number): void => {
    let index = from;
    const flow = heap[index] as Flow<T>;
    for (;;) {
      let child = 2 * index + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && before(heap[child + 1] as Flow<T>, heap[child] as Flow<T>)) child++;
      if (!before(heap[child] as Flow<T>, flow)) break;
      heap[index] = heap[child] as Flow<T>;
      index = child;
    }
    heap[index] = flow;
  };
  const removeAt = (index: number): void => {
    const last = heap.pop() as Flow<T>;
    if (index >= heap.length) return;
    heap[index] = last;
    down(index);
    up(index);
  };

  /** Drops what is gone from the front of a flow. */
  const settle = (flow: Flow<T>): T | undefined => {
    while (flow.items[0]?.gone === true) flow.items.shift();
    return flow.items[0];
  };
  const drop = (item: T): void => {
    const flow = flows.get(item.flow) as Flow<T>;
    flow.live--;
    size--;
    if (flow.live > 0) return;
    weights -= flow.weight;
    flow.items.length = 0;
    removeAt(heap.indexOf(flow));
    if (size > 0) return;
    // Nobody waits: nobody was kept waiting by what anybody took.
    flows.clear();
    weights = 0;
    now = 0;
  };
  const forgetPaidOff = (): void => {
    for (const [name, flow] of flows) if (flow.live === 0 && flow.start <= now) flows.delete(name);
  };

  return {
    size: () => size,
    push(item) {
      let flow = flows.get(item.flow);
      if (flow === undefined) {
        if (flows.size > 2 * heap.length + 64) forgetPaidOff();
        flow = { name: item.flow, weight: item.weight, start: now, items: [], live: 0 };
        flows.set(item.flow, flow);
      }
      if (flow.live === 0) {
        flow.weight = item.weight;
        flow.start = Math.max(now, flow.start);
        weights += flow.weight;
        heap.push(flow);
        up(heap.length - 1);
      }
      let at = flow.items.length;
      while (at > 0 && (flow.items[at - 1] as T).deadlineAt > item.deadlineAt) at--;
      if (at === flow.items.length) flow.items.push(item);
      else flow.items.splice(at, 0, item);
      flow.live++;
      size++;
    },
    candidates(most) {
      const found: T[] = [];
      // The first entries of a heap are not sorted beyond the first; that is near enough for who comes second.
      for (let index = 0; index < heap.length && found.length < most; index++) {
        const head = settle(heap[index] as Flow<T>);
        if (head !== undefined) found.push(head);
      }
      return found;
    },
    served(item) {
      const flow = flows.get(item.flow) as Flow<T>;
      now = Math.max(now, flow.start);
      flow.start += item.cost / flow.weight;
      flow.items.splice(flow.items.indexOf(item), 1);
      const index = heap.indexOf(flow);
      down(index);
      drop(item);
    },
    worst() {
      let fullest: Flow<T> | undefined;
      for (const flow of heap) if (fullest === undefined || flow.live > fullest.live) fullest = flow;
      return fullest?.items.findLast(({ gone }) => !gone);
    },
    left: drop,
    ahead(name, weight) {
      const flow = flows.get(name);
      const own = flow?.live ?? 0;
      const total = weights + (own > 0 ? 0 : weight);
      return Math.min(size, Math.ceil(((own + 1) * total) / weight) - 1);
    },
    waitingOf: (name) => flows.get(name)?.live ?? 0,
  };
}
