import { takeDown } from './node/down.ts';
import { clusterFolder, holderLives, paths, readClusterState } from './node/state.ts';
import { createSupervisorClient } from './node/supervisor-client.ts';
import { bringUp, CannotHostError, importImage } from './node/up.ts';
import { PROGRAMS } from './programs.ts';
import { isProgram, runProgram } from './tool.ts';

const USAGE = `Usage: node tools/cluster/main.ts COMMAND

  up [--install]         start a single-node Kubernetes on this machine (Linux, root); --install: missing packages too
  down                   take it down: nothing of it stays
  status                 parts and addresses; exit code 0 when it runs
  kubeconfig             print the path of the administrator's kubeconfig
  load FILE…             put image archives (docker-archive, OCI) into the node
  restart PART [SIGNAL]  end a part (${'kubelet, kube-apiserver …'}); it comes back by itself
  PROGRAM ARGS…          run a pinned program, built on first use: ${Object.keys(PROGRAMS).join(', ')}
                         (helm and kubectl talk to this cluster unless KUBECONFIG is set)

Exit code: 0 done, 1 failed, 2 wrong call, 3 this machine cannot host a cluster.`;

const from = performance.now();
const log = (line: string): void =>
  console.log(`${((performance.now() - from) / 1000).toFixed(1).padStart(6)} s  ${line}`);

async function main([command, ...args]: string[]): Promise<number> {
  const folder = clusterFolder();
  const where = paths(folder);
  if (command === 'up') {
    const state = await bringUp({ install: args.includes('--install'), log });
    log(`Kubernetes ${state.version} runs at https://${state.network.node}:6443`);
    console.log(`\n  export KUBECONFIG=${where.kubeconfig}\n`);
    return 0;
  }
  if (command === 'down') {
    log((await takeDown({ log })) ? 'the cluster is gone' : 'there was no cluster');
    return 0;
  }
  if (command === 'kubeconfig') {
    console.log(where.kubeconfig);
    return 0;
  }
  if (command === 'status') return await status();
  if (command === 'load' && args.length > 0) {
    for (const file of args) {
      await importImage(file);
      log(`loaded ${file}`);
    }
    return 0;
  }
  if (command === 'restart' && args[0]) {
    const supervisor = createSupervisorClient(where.control);
    await supervisor.signal(args[0], (args[1] ?? 'SIGTERM') as NodeJS.Signals);
    return 0;
  }
  if (command !== undefined && isProgram(command)) {
    const state = readClusterState(folder);
    if (!process.env.KUBECONFIG && state && holderLives(state)) process.env.KUBECONFIG = where.kubeconfig;
    return await runProgram(command, args[0] === '--' ? args.slice(1) : args);
  }
  const help = ['--help', '-h', 'help'].includes(command ?? '');
  (help ? console.log : console.error)(USAGE);
  return help ? 0 : 2;
}

async function status(): Promise<number> {
  const folder = clusterFolder();
  const state = readClusterState(folder);
  if (!state || !holderLives(state)) {
    console.log('no cluster runs; start one with `make cluster-up`');
    return 1;
  }
  const where = paths(folder);
  const parts = Object.entries(await createSupervisorClient(where.control).status());
  for (const [name, part] of parts) {
    const restarts = part.restarts > 0 ? `, restarted ${part.restarts} times (last: ${part.ended})` : '';
    console.log(`  ${name.padEnd(24)} ${part.pid === undefined ? 'DOWN' : 'runs'}${restarts}`);
  }
  console.log(
    `\n  API server  https://${state.network.node}:6443   Kubernetes ${state.version}\n` +
      `  Pods        ${state.network.podCidr}\n  Services    ${state.network.serviceCidr}\n` +
      `  Logs        ${where.logs}\n  export KUBECONFIG=${where.kubeconfig}`,
  );
  return parts.every(([, part]) => part.pid !== undefined) ? 0 : 1;
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  console.error(error instanceof Error ? error.message : String(error));
  process.exitCode = error instanceof CannotHostError ? 3 : 1;
}
