import { AppError } from '../../../lib/errors.ts';
import type { SignerPolicy } from './signers-file.ts';

/** What a request wants to do, as far as a policy cares. */
export interface PolicySubject {
  /** Name of the known contract that is called, undefined for any other address. */
  readonly contract: string | undefined;
  /** `transfer(address,uint256)`; undefined when the bytes match no function of the contract. */
  readonly signature: string | undefined;
  readonly data: string;
  readonly value: bigint;
}

/** @throws AppError policy_violation saying what the policy allows. */
export function checkPolicy(alias: string, policy: SignerPolicy, subject: PolicySubject): void {
  const refusal = (detail: string, pointer: string): AppError =>
    new AppError('policy_violation', `The policy of ${alias} refuses this: ${detail}.`, {
      errors: [{ pointer, rule: 'policy', detail }],
    });
  if (policy.maxValue !== undefined && subject.value > policy.maxValue) {
    throw refusal(
      `a value of ${subject.value} wei is above the limit of ${policy.maxValue} wei per transaction`,
      '/value',
    );
  }
  if (subject.contract === undefined) {
    if (!policy.allowNative)
      throw refusal('plain transfers and calls to addresses outside our contracts are not allowed', '/to');
    return;
  }
  if (subject.signature === undefined && subject.data !== '0x') {
    throw refusal(`the bytes call no function of ${subject.contract}`, '/data');
  }
  if (!policy.contracts) return;
  const allowed = policy.contracts[subject.contract];
  if (!allowed)
    throw refusal(
      `${subject.contract} is not among the contracts allowed (${Object.keys(policy.contracts).join(', ')})`,
      '/contract',
    );
  const name = subject.signature?.split('(')[0] ?? '';
  if (
    allowed.includes('*') ||
    allowed.includes(name) ||
    (subject.signature && allowed.includes(subject.signature))
  )
    return;
  throw refusal(
    `${name || 'a plain transfer'} is not among the functions of ${subject.contract} allowed (${allowed.join(', ')})`,
    '/function',
  );
}
