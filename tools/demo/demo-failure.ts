/** A step that did not hold. Says what a person needs to go on: what was expected, what came, whose log to read. */
export class DemoFailure extends Error {
  override readonly name = 'DemoFailure';
  readonly expected: string;
  readonly seen: string;
  /** Child of the stack whose log most likely tells why, such as `user` or `gateway-indexer`. */
  readonly service: string | undefined;

  constructor(failure: { expected: string; seen: unknown; service?: string | undefined; cause?: unknown }) {
    const seen = describe(failure.seen);
    super(`expected ${failure.expected}, saw ${seen}`, { cause: failure.cause });
    this.expected = failure.expected;
    this.seen = seen;
    this.service = failure.service;
  }
}

/** Longer answers are cut: the log has the rest. */
const LONGEST_SEEN = 600;

function describe(value: unknown): string {
  const text = typeof value === 'string' ? value : (JSON.stringify(value, bigintAsText) ?? String(value));
  return text.length > LONGEST_SEEN ? `${text.slice(0, LONGEST_SEEN)}… (${text.length} characters)` : text;
}

const bigintAsText = (_key: string, value: unknown) => (typeof value === 'bigint' ? value.toString() : value);

/** Fails the step unless `holds`. */
export function expectThat(holds: unknown, expected: string, seen: unknown, service?: string): asserts holds {
  if (!holds) throw new DemoFailure({ expected, seen, service });
}

/** Fails the step unless both are the same text, number or boolean. */
export function expectEqual<T extends string | number | boolean | bigint | null | undefined>(
  seen: unknown,
  wanted: T,
  what: string,
  service?: string,
): void {
  expectThat(Object.is(seen, wanted), `${what} to be ${describe(wanted)}`, seen, service);
}
