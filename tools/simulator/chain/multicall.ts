import type * as Ethers from 'ethers';

/** The same address on every chain that has it. */
export const MULTICALL3_ADDRESS = '0xca11bde05977b3631167028862be2a173976ca11';

const AGGREGATE3 = [
  'function aggregate3((address target, bool allowFailure, bytes callData)[] calls) payable returns ((bool success, bytes returnData)[])',
];

/** Answers `aggregate3` by answering each inner call as if it came alone. */
export function answerMulticall(
  { Interface }: typeof Ethers,
  data: string,
  answer: (target: string, input: string) => string,
): string {
  const multicall3 = new Interface(AGGREGATE3);
  const [calls] = multicall3.decodeFunctionData('aggregate3', data);
  const results = (calls as { target: string; callData: string }[]).map((call) => [
    true,
    answer(call.target.toLowerCase(), call.callData),
  ]);
  return multicall3.encodeFunctionResult('aggregate3', [results]);
}
