import { type FunctionFragment, isError, type ParamType } from 'ethers';
import { AppError, type FieldError } from '../../../lib/errors.ts';
import { nearest } from '../../../lib/nearest.ts';
import type { ContractBook } from './contract-book.ts';

export interface EncodedCall {
  readonly to: string;
  readonly data: string;
  /** `transfer(address,uint256)`. */
  readonly signature: string;
  readonly selector: string;
}

const invalid = (detail: string, errors: FieldError[]) =>
  new AppError('invalid_argument', detail, { errors });
const suggestion = (name: string, among: readonly string[]): string => {
  const guess = nearest(name, among);
  return guess ? `; did you mean ${guess}?` : among.length > 0 ? `; known: ${among.join(', ')}` : '';
};

function findFunction(
  functions: FunctionFragment[],
  name: string,
  contract: string,
  count: number,
): FunctionFragment {
  const bySignature = functions.find((f) => f.format('sighash') === name);
  if (bySignature) return bySignature;
  const named = functions.filter((f) => f.name === name);
  if (named.length === 0) {
    const detail = `${contract} has no function ${name}${suggestion(name, [...new Set(functions.map((f) => f.name))])}`;
    throw invalid(detail, [{ pointer: '/function', rule: 'unknown', detail }]);
  }
  const fitting = named.filter((f) => f.inputs.length === count);
  const [only] = fitting;
  if (only && fitting.length === 1) return only;
  const signatures = named.map((f) => f.format('sighash')).join(', ');
  if (fitting.length > 1) {
    const detail = `${name} is overloaded; name the signature in full, one of ${signatures}`;
    throw invalid(detail, [{ pointer: '/function', rule: 'ambiguous', detail }]);
  }
  const detail = `${contract}.${name} takes ${named[0]?.inputs.length} arguments (${signatures}), not ${count}`;
  throw invalid(detail, [{ pointer: '/args', rule: 'length', detail }]);
}

/** Shape of a value without the value itself: arguments may be personal. */
function shapeOf(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return `an array of ${value.length}`;
  if (typeof value === 'string')
    return /^0x[0-9a-f]*$/i.test(value) ? `${(value.length - 2) / 2} bytes of hex` : 'a string';
  return typeof value === 'object' ? 'an object' : `a ${typeof value}`;
}

/** Encodes each argument alone first, so that the error can say which one is wrong. */
function checkArguments(
  inputs: readonly ParamType[],
  args: readonly unknown[],
  encodeOne: (t: ParamType, v: unknown) => void,
): void {
  const errors: FieldError[] = [];
  inputs.forEach((input, i) => {
    try {
      const value = args[i];
      // Without this ethers would take 1e21 or 0.1 and complain about precision far from the cause.
      if (/^u?int/.test(input.type) && typeof value === 'number' && !Number.isSafeInteger(value))
        throw new Error('send large integers as strings');
      encodeOne(input, value);
    } catch (error) {
      const why = isError(error, 'INVALID_ARGUMENT') ? error.shortMessage : (error as Error).message;
      const name = input.name ? ` (${input.name})` : '';
      errors.push({
        pointer: `/args/${i}`,
        rule: 'type',
        detail: `argument ${i}${name}: expected ${input.type}, got ${shapeOf(args[i])}: ${why}`,
      });
    }
  });
  if (errors.length > 0) throw invalid(errors.map((e) => e.detail).join('; '), errors);
}

/**
 * Turns a call by name into bytes.
 * @throws AppError invalid_argument naming the unknown contract or function, or each wrong argument.
 */
export function encodeCall(
  book: ContractBook,
  call: { contract: string; function: string; args: readonly unknown[] },
): EncodedCall {
  const contract = book.byName(call.contract);
  if (!contract) {
    const detail = `unknown contract ${call.contract} on chain ${book.chainId}${suggestion(call.contract, book.names())}`;
    throw invalid(detail, [{ pointer: '/contract', rule: 'unknown', detail }]);
  }
  const functions: FunctionFragment[] = [];
  contract.interface.forEachFunction((f) => {
    if (f.stateMutability !== 'view' && f.stateMutability !== 'pure') functions.push(f);
  });
  const fragment = findFunction(functions, call.function, call.contract, call.args.length);
  if (fragment.inputs.length !== call.args.length) {
    const detail = `${fragment.format('sighash')} takes ${fragment.inputs.length} arguments, not ${call.args.length}`;
    throw invalid(detail, [{ pointer: '/args', rule: 'length', detail }]);
  }
  const coder = contract.interface.getAbiCoder();
  checkArguments(fragment.inputs, call.args, (type, value) => coder.encode([type], [value]));
  return {
    to: contract.address,
    data: contract.interface.encodeFunctionData(fragment, [...call.args]),
    signature: fragment.format('sighash'),
    selector: fragment.selector,
  };
}
