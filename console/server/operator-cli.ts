import { createInterface } from 'node:readline';
import { hashPassword, ROLES, type Role } from './access/operators.ts';

const USAGE = `Usage: node console/server/operator-cli.ts NAME viewer|operator < password

Reads a password from standard input and prints the line for CONSOLE_OPERATORS (or the file that
CONSOLE_OPERATORS_FILE names). The password itself is stored nowhere.`;

const MIN_CHARACTERS = 12;

async function main(): Promise<number> {
  const [name, role] = process.argv.slice(2);
  if (name === undefined || !ROLES.includes(role as Role)) {
    console.error(USAGE);
    return 2;
  }
  const lines = createInterface({ input: process.stdin, terminal: false });
  let password = '';
  for await (const line of lines) {
    password = line;
    break;
  }
  lines.close();
  if (password.length < MIN_CHARACTERS) {
    console.error(`The password needs at least ${MIN_CHARACTERS} characters.`);
    return 1;
  }
  console.log(`${name}:${role}:${hashPassword(password)}`);
  return 0;
}

if (import.meta.main) process.exitCode = await main();
