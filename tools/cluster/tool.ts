import { spawn } from 'node:child_process';
import { buildPrograms } from './build.ts';
import { PROGRAMS, type ProgramName } from './programs.ts';

/**
 * Runs one of the pinned programs (helm, kubectl, kubeconform …) in the place of this process: same terminal, same
 * exit code. Builds it the first time. Answers with its exit code.
 */
export async function runProgram(name: ProgramName, args: readonly string[]): Promise<number> {
  const paths = await buildPrograms([name], (line) => console.error(line));
  const child = spawn(paths[name], args, { stdio: 'inherit' });
  // Ctrl-C reaches the whole terminal group; we only wait for the program's own way of ending.
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => child.kill(signal));
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => resolve(code ?? 1));
  });
}

export const isProgram = (name: string): name is ProgramName => Object.hasOwn(PROGRAMS, name);
