import type { IDeployment } from 'kubernetes-models/apps/v1/Deployment';
import type { IContainer } from 'kubernetes-models/v1/Container';
import type { ITopologySpreadConstraint } from 'kubernetes-models/v1/TopologySpreadConstraint';
import { PRE_STOP_SECONDS, STOP_SECONDS } from '../limits.ts';
import { OPS_PORT, PORT, type RenderedProcess } from '../processes.ts';
import { metadataOf, podLabels, type Scope, selectorOf } from './manifest.ts';
import { containerOf, restrictedPod, volumes } from './pod.ts';

/** The pods of one process. How many there are is for its autoscaler. */
export function deploymentOf(scope: Scope, process: RenderedProcess): IDeployment {
  const { name } = process;
  // Nobody sends a worker anything that would have to be turned away first.
  const isAsked = process.placed.roles.includes('http');
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: metadataOf(scope, name),
    spec: {
      selector: { matchLabels: selectorOf(name) },
      revisionHistoryLimit: 5,
      strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } },
      template: {
        metadata: {
          labels: podLabels(scope, name),
          annotations: {
            'banyan/settings': scope.settingsHash,
            'prometheus.io/scrape': 'true',
            'prometheus.io/port': String(OPS_PORT),
            'prometheus.io/path': '/metrics',
          },
        },
        spec: {
          ...restrictedPod,
          terminationGracePeriodSeconds: (isAsked ? PRE_STOP_SECONDS : 0) + STOP_SECONDS,
          topologySpreadConstraints: ['topology.kubernetes.io/zone', 'kubernetes.io/hostname'].map((key) =>
            spreadOver(key, name),
          ),
          ...(process.modules.length === 0 ? {} : { initContainers: [waitForMigrations(scope, process)] }),
          containers: [
            {
              ...containerOf(scope, { ...process, args: ['serve'] }),
              ports: [
                ...(process.placed.public ? [{ name: 'http', containerPort: PORT }] : []),
                { name: 'operations', containerPort: OPS_PORT },
              ],
              ...probes,
              ...(isAsked ? { lifecycle: { preStop: { sleep: { seconds: PRE_STOP_SECONDS } } } } : {}),
            },
          ],
          volumes,
        },
      },
    },
  };
}

/** Or the process would refuse to start, and be started at ever longer distances, until the job has migrated. */
function waitForMigrations(scope: Scope, process: RenderedProcess): IContainer {
  return containerOf(scope, { ...process, name: 'wait-for-migrations', args: ['migrate', '--wait'] });
}

/** As even as there is room, rather than not at all; old pods of a rollout do not count. */
function spreadOver(topologyKey: string, component: string): ITopologySpreadConstraint {
  return {
    maxSkew: 1,
    topologyKey,
    whenUnsatisfiable: 'ScheduleAnyway',
    labelSelector: { matchLabels: selectorOf(component) },
    matchLabelKeys: ['pod-template-hash'],
  };
}

const ask = (path: string) => ({ httpGet: { path, port: 'operations' } });

const probes: Partial<IContainer> = {
  // The port is open once everything has started: two minutes, on a node that is busy with all the others.
  startupProbe: { ...ask('/livez'), periodSeconds: 2, timeoutSeconds: 3, failureThreshold: 60 },
  // The shop gives its own checks two seconds. Twice, so that one slow answer of the database moves nobody.
  readinessProbe: { ...ask('/readyz'), periodSeconds: 5, timeoutSeconds: 3, failureThreshold: 2 },
  // A restart mends nothing but an event loop that stands still, so a minute of that is waited for.
  livenessProbe: { ...ask('/livez'), periodSeconds: 10, timeoutSeconds: 5, failureThreshold: 6 },
};
