import type { IHorizontalPodAutoscaler } from 'kubernetes-models/autoscaling/v2/HorizontalPodAutoscaler';
import type { IPodDisruptionBudget } from 'kubernetes-models/policy/v1/PodDisruptionBudget';
import { CPU_TARGET_PERCENT } from '../limits.ts';
import type { RenderedProcess } from '../processes.ts';
import { replicasOf } from '../replicas.ts';
import { metadataOf, type Scope, selectorOf } from './manifest.ts';

/** Between the pods at rest and those that Postgres has connections for, by what they compute. */
export function autoscalerOf(scope: Scope, process: RenderedProcess): IHorizontalPodAutoscaler {
  const { atRest, atMost } = replicasOf(process.placed);
  return {
    apiVersion: 'autoscaling/v2',
    kind: 'HorizontalPodAutoscaler',
    metadata: metadataOf(scope, process.name),
    spec: {
      scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: process.name },
      minReplicas: atRest,
      maxReplicas: atMost,
      metrics: [
        {
          type: 'Resource',
          resource: {
            name: 'cpu',
            target: { type: 'Utilization', averageUtilization: CPU_TARGET_PERCENT },
          },
        },
      ],
    },
  };
}

/** Nodes are emptied one pod of each process at a time; a single worker may go, as another takes up what it did. */
export function disruptionBudgetOf(scope: Scope, { name }: RenderedProcess): IPodDisruptionBudget {
  return {
    apiVersion: 'policy/v1',
    kind: 'PodDisruptionBudget',
    metadata: metadataOf(scope, name),
    spec: {
      maxUnavailable: 1,
      selector: { matchLabels: selectorOf(name) },
      // A pod that does not work holds back nobody who empties its node.
      unhealthyPodEvictionPolicy: 'AlwaysAllow',
    },
  };
}
