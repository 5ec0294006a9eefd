import { writeFileSync } from 'node:fs';
import { stringify } from 'yaml';
import type { ProviderConfig } from './providers/provider-config.ts';
import { formatProblem } from './providers/providers-file.ts';
import { providersJsonSchema } from './providers/providers-schema.ts';
import { readProvidersFile } from './providers/providers-watcher.ts';

const USAGE = `Usage: node services/chain-gateway/providers-cli.ts <command> [file]
  validate <file>   check a providers file; every mistake with line and column; exit 1 when there is one
  dump <file>       print it with all defaults filled in and secrets hidden
  explain <file>    say in words what the gateway will do with it
  schema [file]     print the JSON Schema for editors, or write it to a file
`;

/** Headers and the path and query of URLs may hold keys. */
function hideSecrets(provider: ProviderConfig): ProviderConfig {
  const hide = (url: string): string => {
    const { protocol, host, pathname, search } = new URL(url);
    return `${protocol}//${host}${pathname === '/' && search === '' ? '' : '/[redacted]'}`;
  };
  return {
    ...provider,
    url: hide(provider.url),
    ...(provider.wsUrl === undefined ? {} : { wsUrl: hide(provider.wsUrl) }),
    headers: Object.fromEntries(Object.keys(provider.headers).map((name) => [name, '[redacted]'])),
  };
}

function explain(providers: readonly ProviderConfig[], chainId: number): string {
  const tiers = [...new Set(providers.map(({ tier }) => tier))].sort((a, b) => a - b);
  const lines = [`Chain ${chainId}, ${providers.length} provider${providers.length === 1 ? '' : 's'}.`];
  if (providers.length < 2)
    lines.push(
      'With one provider there is nobody to fail over to, and its word about the head is taken as it is.',
    );
  else
    lines.push(
      `The served head is the highest block that at least ${Math.floor(providers.length / 2) + 1} of them have.`,
    );
  for (const tier of tiers) {
    lines.push(
      '',
      tier === tiers[0] ? `Tier ${tier} serves:` : `Tier ${tier} serves when nobody in a lower tier can:`,
    );
    for (const provider of providers.filter((candidate) => candidate.tier === tier)) {
      const { limits, methods } = provider;
      const facts = [
        limits.callsPerSecond === undefined
          ? 'its rate limit is learned from refusals'
          : `at most ${limits.callsPerSecond} calls/s`,
        `at most ${limits.maxInFlight} calls at once`,
        provider.maxJoin > 1 ? `up to ${provider.maxJoin} calls in one request` : 'one call per request',
        `${provider.attemptTimeoutMs} ms per attempt`,
      ];
      if (limits.maxLogRange !== undefined)
        facts.push(`eth_getLogs in pieces of ${limits.maxLogRange} blocks`);
      if (provider.pricePerMillionUnits > 0)
        facts.push(`${provider.pricePerMillionUnits} per million compute units`);
      if (methods.allow.length > 0) facts.push(`only ${methods.allow.join(', ')}`);
      if (methods.deny.length > 0) facts.push(`never ${methods.deny.join(', ')}`);
      if (provider.cordoned) facts.push('CORDONED: gets no traffic');
      lines.push(`  ${provider.id} (weight ${provider.weight}): ${facts.join('; ')}`);
    }
  }
  return `${lines.join('\n')}\n`;
}

function main(args: readonly string[]): number {
  const [command, file] = args;
  if (command === 'schema') {
    const text = `${JSON.stringify(providersJsonSchema(), null, 2)}\n`;
    if (file === undefined) process.stdout.write(text);
    else writeFileSync(file, text);
    return 0;
  }
  if (file === undefined || !['validate', 'dump', 'explain'].includes(command ?? '')) {
    process.stderr.write(USAGE);
    return 64;
  }
  let parsed: ReturnType<typeof readProvidersFile>;
  try {
    parsed = readProvidersFile(file);
  } catch (error) {
    process.stderr.write(
      `cannot read ${file}: ${(error as NodeJS.ErrnoException).code ?? (error as Error).message}\n`,
    );
    return 1;
  }
  if (!parsed.ok) {
    for (const problem of parsed.problems) process.stderr.write(`${formatProblem(file, problem)}\n`);
    return 1;
  }
  if (command === 'dump')
    process.stdout.write(stringify({ ...parsed.file, providers: parsed.providers.map(hideSecrets) }));
  else if (command === 'explain') process.stdout.write(explain(parsed.providers, parsed.file.chainId));
  else
    process.stdout.write(
      `${file}: ${parsed.providers.length} provider${parsed.providers.length === 1 ? '' : 's'} for chain ${parsed.file.chainId}, no mistakes\n`,
    );
  return 0;
}

process.exitCode = main(process.argv.slice(2));
