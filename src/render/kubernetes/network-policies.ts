import type { INetworkPolicy } from 'kubernetes-models/networking.k8s.io/v1/NetworkPolicy';
import type { INetworkPolicyEgressRule } from 'kubernetes-models/networking.k8s.io/v1/NetworkPolicyEgressRule';
import type { INetworkPolicyPeer } from 'kubernetes-models/networking.k8s.io/v1/NetworkPolicyPeer';
import { OPS_PORT, PORT, type RenderedProcess } from '../processes.ts';
import type { SecretUse } from '../secrets.ts';
import { metadataOf, type Scope, SHOP, selectorOf } from './manifest.ts';

/** Name a namespace is known by in its own labels, by Kubernetes itself. */
const inNamespace = (name: string): INetworkPolicyPeer => ({
  namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': name } },
});
const prometheus: INetworkPolicyPeer = {
  ...inNamespace('monitoring'),
  podSelector: { matchLabels: { 'app.kubernetes.io/name': 'prometheus' } },
};
const ingressController = inNamespace('ingress-nginx');
const dns: INetworkPolicyPeer = {
  ...inNamespace('kube-system'),
  podSelector: { matchLabels: { 'k8s-app': 'kube-dns' } },
};

const tcp = (...ports: readonly number[]) => ports.map((port) => ({ protocol: 'TCP' as const, port }));

/** Servers outside of the cluster have no labels, and a policy knows no names: their usual ports have to do. */
const portsOf: Readonly<Record<string, readonly number[]>> = {
  DATABASE_URL: [5432],
  REDIS_URL: [6379],
  SMTP_URL: [25, 465, 587],
};
/** Traces, which go by HTTP. */
const OTLP_PORT = 4318;

/** What no other policy lets through is refused, for all pods of the shop. */
export function denyAll(scope: Scope): INetworkPolicy {
  return {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    metadata: metadataOf(scope, 'default-deny'),
    spec: {
      podSelector: { matchLabels: { 'app.kubernetes.io/name': SHOP } },
      policyTypes: ['Ingress', 'Egress'],
    },
  };
}

/** The operations port for the processes that ask this one and for Prometheus; the public one for the ingress. */
export function policyOf(
  scope: Scope,
  process: RenderedProcess,
  all: readonly RenderedProcess[],
): INetworkPolicy {
  const askers = all.filter(({ peers }) => peers.includes(process.name)).map(({ name }) => name);
  return {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    metadata: metadataOf(scope, process.name),
    spec: {
      podSelector: { matchLabels: selectorOf(process.name) },
      policyTypes: ['Ingress', 'Egress'],
      ingress: [
        { from: [...processesNamed(askers), prometheus], ports: tcp(OPS_PORT) },
        ...(process.placed.public ? [{ from: [ingressController], ports: tcp(PORT) }] : []),
      ],
      egress: [
        ...egressOf(process.secrets),
        ...(process.peers.length === 0 ? [] : [{ to: processesNamed(process.peers), ports: tcp(OPS_PORT) }]),
        { ports: tcp(OTLP_PORT) },
      ],
    },
  };
}

/** A migration needs the database and nothing else, and nobody needs it. */
export function migrationPolicy(scope: Scope, secrets: readonly SecretUse[]): INetworkPolicy {
  return {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    metadata: metadataOf(scope, 'migrate'),
    spec: {
      podSelector: { matchLabels: selectorOf('migrate') },
      policyTypes: ['Ingress', 'Egress'],
      egress: egressOf(secrets),
    },
  };
}

function processesNamed(names: readonly string[]): INetworkPolicyPeer[] {
  if (names.length === 0) return [];
  return [
    {
      podSelector: {
        matchLabels: { 'app.kubernetes.io/name': SHOP },
        matchExpressions: [
          { key: 'app.kubernetes.io/component', operator: 'In' as const, values: [...names] },
        ],
      },
    },
  ];
}

/** Names to look up, and the servers that these secrets lead to. */
function egressOf(secrets: readonly SecretUse[]): INetworkPolicyEgressRule[] {
  const servers = new Set(
    secrets.flatMap(({ name }) => portsOf[name.replace(/^.*_(?=DATABASE_URL$)/, '')] ?? []),
  );
  return [
    { to: [dns], ports: [{ protocol: 'UDP' as const, port: 53 }, ...tcp(53)] },
    ...(servers.size === 0 ? [] : [{ ports: tcp(...servers) }]),
  ];
}
