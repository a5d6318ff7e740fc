import { writeFileSync } from 'node:fs';
import type { Command } from 'commander';
import { ConfigError } from '../config.ts';
import { type Placement, placementNames, readPlacement } from '../placement/placement.ts';
import { composeProblems, reservedForCompose } from '../render/compose/compose.ts';
import { writeFiles } from '../render/files.ts';
import { clusterNameProblems } from '../render/kubernetes/cluster-names.ts';
import { reservedForKubernetes } from '../render/kubernetes/kubernetes.ts';
import { renderedProcesses, renderProblems } from '../render/processes.ts';
import { composeFile, kubernetesFiles, renderDefaults } from '../render/rendered-files.ts';
import { connectionsOf, replicasOf } from '../render/replicas.ts';
import { version } from '../version.ts';
import { CommandError, exitCodes } from './exit-codes.ts';
import { loadShop } from './load-shop.ts';
import { printError, terminal } from './terminal.ts';

interface KubernetesFlags {
  readonly output?: string;
  readonly image: string;
  readonly namespace: string;
  readonly host: string;
}

interface ComposeFlags {
  readonly output?: string;
  readonly image: string;
}

export function addRender(program: Command): void {
  const render = program
    .command('render')
    .description('write what runs a placement on Kubernetes or with Compose');
  addKubernetes(render);
  addCompose(render);
}

function addKubernetes(render: Command): void {
  render
    .command('kubernetes')
    .description('plain manifests of a placement, with a kustomization.yaml')
    .argument('<placement>', `${placementNames().join(', ')}, or a YAML file of that form`)
    .option('--output <folder>', 'write into this folder instead of to standard output')
    .option('--image <image>', 'image of the shop', renderDefaults.image)
    .option('--namespace <name>', 'namespace of all objects', renderDefaults.namespace)
    .option('--host <name>', 'name that people know the shop by', renderDefaults.host)
    .addHelpText(
      'after',
      `
Secrets are named and never written: docs/kubernetes.md tells how to make the one that is referred to. Files in the
folder that an earlier rendering wrote, and this one does not, are removed.

Examples:
  banyan render kubernetes split --output deploy/kubernetes/base/split
  banyan render kubernetes ./my-placement.yaml --image registry.example.com/banyan:1.0.0 | kubectl apply --filename -`,
    )
    .action(async (nameOrFile: string, { output, ...flags }: KubernetesFlags) => {
      const placement = readPlacement(nameOrFile);
      const { contracts, modules } = await shopModules();
      refuse([
        ...renderProblems(placement, contracts, reservedForKubernetes),
        ...clusterNameProblems({ ...flags, placement: placement.name }),
      ]);
      const files = kubernetesFiles({ placement, modules, version, ...flags });
      if (output !== undefined) write(output, () => writeFiles(output, files));
      else {
        const objects = files.filter(({ name }) => name !== 'kustomization.yaml');
        terminal.out.write(objects.map(({ text }) => text).join('---\n'));
      }
      tellSize(placement, modules);
    });
}

function addCompose(render: Command): void {
  render
    .command('compose')
    .description('a Compose file of a placement, with its Postgres and Redis')
    .argument('<placement>', `${placementNames().join(', ')}, or a YAML file of that form`)
    .option('--output <file>', 'write to this file instead of to standard output')
    .option('--image <image>', 'image of the shop', renderDefaults.image)
    .addHelpText(
      'after',
      `
Secrets are read from \`.env\` beside the file.

Examples:
  banyan render compose split --output deploy/compose/split.yaml
  banyan render compose ./my-placement.yaml > compose.yaml`,
    )
    .action(async (nameOrFile: string, { output, image }: ComposeFlags) => {
      const placement = readPlacement(nameOrFile);
      const { contracts, modules } = await shopModules();
      refuse([
        ...renderProblems(placement, contracts, reservedForCompose(modules)),
        ...composeProblems(placement),
      ]);
      const { text } = composeFile({ placement, modules, image });
      if (output === undefined) terminal.out.write(text);
      else write(output, () => writeFileSync(output, text));
    });
}

async function shopModules() {
  const contracts = (await loadShop()).allModules.map(({ contract }) => contract);
  return { contracts, modules: contracts.map(({ module }) => module as string) };
}

function refuse(problems: readonly string[]): void {
  if (problems.length > 0) throw new ConfigError([...new Set(problems)]);
}

function write(where: string, work: () => void): void {
  try {
    work();
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    throw new CommandError(exitCodes.failed, `${where} cannot be written (${code})`, { cause });
  }
}

/** What a cluster has to have for it; not on standard output, which may be the manifests themselves. */
function tellSize(placement: Placement, modules: readonly string[]): void {
  const processes = renderedProcesses(placement, modules);
  const sizes = (['atRest', 'atMost'] as const).map((when) => ({
    pods: processes.reduce((total, { placed }) => total + replicasOf(placed)[when], 0),
    connections: connectionsOf(processes, placement.defaults, (placed) => replicasOf(placed)[when]),
  }));
  const [rest, most] = sizes as [(typeof sizes)[0], (typeof sizes)[0]];
  printError(
    `${placement.name}: ${rest.pods} pods, ${most.pods} at most; up to ${rest.connections} connections to Postgres, ` +
      `${most.connections} at most`,
  );
}
