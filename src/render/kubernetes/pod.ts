import type { IContainer } from 'kubernetes-models/v1/Container';
import type { IPodSpec } from 'kubernetes-models/v1/PodSpec';
import type { IVolume } from 'kubernetes-models/v1/Volume';
import { CPU_LIMIT, CPU_REQUEST, DATA_SIZE, MEMORY_LIMIT, MEMORY_REQUEST, TMP_SIZE } from '../limits.ts';
import { DATA_DIR } from '../processes.ts';
import type { SecretUse } from '../secrets.ts';
import { type Scope, SHOP } from './manifest.ts';

/** The user `node` of the image; Kubernetes has to see a number to know that it is not root. */
export const USER_ID = 1000;

/** What the namespace's level `restricted` asks of a pod, and no key to the cluster. */
export const restrictedPod: Partial<IPodSpec> = {
  automountServiceAccountToken: false,
  // Variables for each Service would be taken for settings: one named `ops` makes OPS_PORT.
  enableServiceLinks: false,
  securityContext: {
    runAsNonRoot: true,
    runAsUser: USER_ID,
    runAsGroup: USER_ID,
    fsGroup: USER_ID,
    seccompProfile: { type: 'RuntimeDefault' },
  },
};

/** The only places that can be written to; both go with the pod. */
export const volumes: IVolume[] = [
  { name: 'data', emptyDir: { sizeLimit: DATA_SIZE } },
  { name: 'tmp', emptyDir: { sizeLimit: TMP_SIZE } },
];

/** One run of the program in a pod. */
export interface Run {
  readonly name: string;
  readonly args: readonly string[];
  /** By variable; they win over the ConfigMap. */
  readonly settings: Readonly<Record<string, string | undefined>>;
  readonly secrets: readonly SecretUse[];
}

export function containerOf(scope: Scope, { name, args, settings, secrets }: Run): IContainer {
  return {
    name,
    image: scope.image,
    args: [...args],
    envFrom: [{ configMapRef: { name: SHOP } }],
    env: [
      ...Object.entries(settings).flatMap(([variable, value]) =>
        value === undefined ? [] : [{ name: variable, value }],
      ),
      ...secrets.map((secret) => ({
        name: secret.name as string,
        valueFrom: {
          secretKeyRef: { name: SHOP, key: secret.name, ...(secret.isNeeded ? {} : { optional: true }) },
        },
      })),
    ],
    resources: {
      requests: { cpu: CPU_REQUEST, memory: MEMORY_REQUEST },
      limits: { cpu: CPU_LIMIT, memory: MEMORY_LIMIT },
    },
    securityContext: {
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'] },
    },
    volumeMounts: [
      { name: 'data', mountPath: DATA_DIR },
      { name: 'tmp', mountPath: '/tmp' },
    ],
  };
}
