import type { Interface } from 'ethers';

/** Solidity's own panics (documentation, "Panic via assert and Error via require"). */
const PANICS: Readonly<Record<number, string>> = {
  1: 'an assertion failed',
  17: 'arithmetic overflow or underflow',
  18: 'division by zero',
  33: 'conversion to an invalid enum value',
  34: 'badly encoded storage bytes',
  49: 'pop on an empty array',
  50: 'index out of bounds',
  65: 'out of memory',
  81: 'call of an uninitialised function',
};

/** Why a call reverted. */
export interface RevertReason {
  /** `Error`, `Panic`, the custom error's name, or `unknown`. */
  readonly name: string;
  /** For people: `ERC20InsufficientBalance(sender=0x…, balance=0, needed=5)`. */
  readonly message: string;
}

const show = (value: unknown): string =>
  Array.isArray(value) ? `[${value.map(show).join(', ')}]` : String(value);

/** Reads revert data with the built-in errors and every custom error of `errors`. */
export function decodeRevert(data: string | undefined, errors: Interface): RevertReason {
  if (!data || data === '0x') return { name: 'unknown', message: 'the call reverted without a reason' };
  try {
    const parsed = errors.parseError(data);
    if (parsed?.signature === 'Error(string)') return { name: 'Error', message: String(parsed.args[0]) };
    if (parsed?.signature === 'Panic(uint256)') {
      const code = Number(parsed.args[0]);
      return { name: 'Panic', message: PANICS[code] ?? `panic 0x${code.toString(16)}` };
    }
    if (parsed) {
      const args = parsed.fragment.inputs.map(
        (input, i) => `${input.name ? `${input.name}=` : ''}${show(parsed.args[i])}`,
      );
      return { name: parsed.name, message: `${parsed.name}(${args.join(', ')})` };
    }
  } catch (error) {
    return {
      name: 'unknown',
      message: `the call reverted with data that could not be read (${(error as Error).message})`,
    };
  }
  return {
    name: 'unknown',
    message: `the call reverted with an error that is in none of our ABIs (${data.slice(0, 10)})`,
  };
}

/** Finds revert bytes in the many places in which nodes put them. */
export function revertData(errorData: unknown): string | undefined {
  if (typeof errorData === 'string') return /0x[0-9a-fA-F]*/.exec(errorData)?.[0];
  if (errorData && typeof errorData === 'object') {
    for (const key of ['data', 'result', 'originalError', 'revertData']) {
      const found = revertData((errorData as Record<string, unknown>)[key]);
      if (found) return found;
    }
  }
  return undefined;
}
