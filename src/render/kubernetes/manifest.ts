import type { IDeployment } from 'kubernetes-models/apps/v1/Deployment';
import type { IHorizontalPodAutoscaler } from 'kubernetes-models/autoscaling/v2/HorizontalPodAutoscaler';
import type { IJob } from 'kubernetes-models/batch/v1/Job';
import type { IIngress } from 'kubernetes-models/networking.k8s.io/v1/Ingress';
import type { INetworkPolicy } from 'kubernetes-models/networking.k8s.io/v1/NetworkPolicy';
import type { IPodDisruptionBudget } from 'kubernetes-models/policy/v1/PodDisruptionBudget';
import type { IConfigMap } from 'kubernetes-models/v1/ConfigMap';
import type { INamespace } from 'kubernetes-models/v1/Namespace';
import type { IService } from 'kubernetes-models/v1/Service';

/** One object of Kubernetes. */
export type Manifest =
  | IConfigMap
  | IDeployment
  | IHorizontalPodAutoscaler
  | IIngress
  | IJob
  | INamespace
  | INetworkPolicy
  | IPodDisruptionBudget
  | IService;

/** What all objects of one rendering have in common. */
export interface Scope {
  readonly placement: string;
  readonly namespace: string;
  readonly version: string;
  /** As `registry/name:tag`. */
  readonly image: string;
  /** What the image is told by the ConfigMap, to start pods anew when it changes. */
  readonly settingsHash: string;
}

/** The ConfigMap, the Secret, and the Service and Ingress of the shop, in every placement: outsiders know one name. */
export const SHOP = 'banyan';

/** Which pods a component's are; a Deployment can never change it, so it says no more than it must. */
export function selectorOf(component: string): Record<string, string> {
  return { 'app.kubernetes.io/name': SHOP, 'app.kubernetes.io/component': component };
}

export function podLabels(scope: Scope, component: string): Record<string, string> {
  return {
    ...selectorOf(component),
    'app.kubernetes.io/part-of': SHOP,
    'app.kubernetes.io/version': scope.version,
  };
}

/** The placement on each object tells what another placement has left behind. */
export function metadataOf(scope: Scope, component: string, name = component) {
  return {
    name,
    namespace: scope.namespace,
    labels: {
      ...podLabels(scope, component),
      'app.kubernetes.io/managed-by': 'banyan-render',
      'banyan/placement': scope.placement,
    },
  };
}
