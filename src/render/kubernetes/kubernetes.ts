import { createHash } from 'node:crypto';
import type { IConfigMap } from 'kubernetes-models/v1/ConfigMap';
import type { INamespace } from 'kubernetes-models/v1/Namespace';
import type { Placement } from '../../placement/placement.ts';
import { type RenderedProcess, renderedProcesses } from '../processes.ts';
import { databaseSecrets } from '../secrets.ts';
import { deploymentOf } from './deployment.ts';
import { type Manifest, metadataOf, type Scope, SHOP } from './manifest.ts';
import { migrationJob } from './migration.ts';
import { denyAll, migrationPolicy, policyOf } from './network-policies.ts';
import { autoscalerOf, disruptionBudgetOf } from './scaling.ts';
import { entranceService, ingress, peerService } from './services.ts';

/** Names of files and objects beside the processes' own. */
export const reservedForKubernetes: readonly string[] = [
  SHOP,
  'common',
  'default-deny',
  'kustomization',
  'migrate',
];

export interface KubernetesOptions {
  readonly placement: Placement;
  /** All modules of the shop, by name. */
  readonly modules: readonly string[];
  readonly image: string;
  readonly namespace: string;
  /** Name in DNS that people know the shop by. */
  readonly host: string;
  readonly version: string;
}

/** Some objects that belong together. */
export interface ManifestFile {
  /** Without a folder, as `order.yaml`. */
  readonly name: string;
  readonly manifests: readonly Manifest[];
}

/** All objects that run a placement without problems, in the order in which a cluster should get them. */
export function renderKubernetes(options: KubernetesOptions): ManifestFile[] {
  const { placement, modules, image, namespace, version, host } = options;
  const settings = { ...commonSettings, ...placement.defaults };
  const settingsHash = createHash('sha256').update(JSON.stringify(settings)).digest('hex').slice(0, 10);
  const scope: Scope = { placement: placement.name, namespace, image, version, settingsHash };
  const processes = renderedProcesses(placement, modules);
  const databases = databaseSecrets(placement, modules);
  const publicProcess = processes.find(({ placed }) => placed.public)!;
  return [
    {
      name: 'common.yaml',
      manifests: [
        namespaceOf(scope),
        settingsOf(scope, settings),
        denyAll(scope),
        entranceService(scope, publicProcess),
        ingress(scope, host),
      ],
    },
    { name: 'migrate.yaml', manifests: [migrationPolicy(scope, databases), migrationJob(scope, databases)] },
    ...processes.map((process) => ({
      name: `${process.name}.yaml`,
      manifests: objectsOf(scope, process, processes),
    })),
  ];
}

/** Addresses inside a cluster: of those an ingress is the only one that reaches the public port. */
const CLUSTER_NETWORKS = '10.0.0.0/8,100.64.0.0/10,172.16.0.0/12,192.168.0.0/16,fd00::/8';

const commonSettings = { TRUSTED_PROXIES: CLUSTER_NETWORKS };

/** A namespace where a pod that asks for more than these do is refused. */
function namespaceOf(scope: Scope): INamespace {
  const { labels } = metadataOf(scope, 'common');
  return {
    apiVersion: 'v1',
    kind: 'Namespace',
    metadata: {
      name: scope.namespace,
      labels: { ...labels, 'pod-security.kubernetes.io/enforce': 'restricted' },
    },
  };
}

/** Settings of all processes that are no secrets and do not follow from the placement: yours to add to. */
function settingsOf(scope: Scope, settings: Readonly<Record<string, string>>): IConfigMap {
  return {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: metadataOf(scope, 'common', SHOP),
    data: { ...settings },
  };
}

function objectsOf(scope: Scope, process: RenderedProcess, all: readonly RenderedProcess[]): Manifest[] {
  const isPeer = all.some(({ peers }) => peers.includes(process.name));
  return [
    policyOf(scope, withMail(process), all),
    ...(isPeer ? [peerService(scope, process)] : []),
    deploymentOf(scope, withMail(process)),
    autoscalerOf(scope, process),
    disruptionBudgetOf(scope, process),
  ];
}

/** What a pod writes goes with it, so who sends mail needs a mail server. */
function withMail(process: RenderedProcess): RenderedProcess {
  const secrets = process.secrets.map((secret) =>
    secret.name === 'SMTP_URL' ? { ...secret, isNeeded: true } : secret,
  );
  return { ...process, secrets };
}
