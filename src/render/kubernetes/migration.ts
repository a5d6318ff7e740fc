import { createHash } from 'node:crypto';
import type { IJob } from 'kubernetes-models/batch/v1/Job';
import { MIGRATE_KEEP_SECONDS, MIGRATE_SECONDS, MIGRATE_TRIES } from '../limits.ts';
import { DATA_DIR } from '../processes.ts';
import type { SecretUse } from '../secrets.ts';
import { metadataOf, podLabels, type Scope } from './manifest.ts';
import { containerOf, restrictedPod, volumes } from './pod.ts';

/**
 * Brings the databases of all modules up to date. A job can never be changed, so its name follows from all that it
 * says: of another image or placement there is a new one, which runs.
 */
export function migrationJob(scope: Scope, secrets: readonly SecretUse[]): IJob {
  const component = 'migrate';
  const spec: IJob['spec'] = {
    backoffLimit: MIGRATE_TRIES,
    activeDeadlineSeconds: MIGRATE_SECONDS,
    ttlSecondsAfterFinished: MIGRATE_KEEP_SECONDS,
    template: {
      metadata: {
        labels: podLabels(scope, component),
        annotations: { 'banyan/settings': scope.settingsHash },
      },
      spec: {
        ...restrictedPod,
        // Each try is a pod of its own, whose log stays.
        restartPolicy: 'Never',
        containers: [
          containerOf(scope, { name: component, args: ['migrate'], settings: { DATA_DIR }, secrets }),
        ],
        volumes,
      },
    },
  };
  const hash = createHash('sha256').update(JSON.stringify(spec)).digest('hex').slice(0, 10);
  return {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: metadataOf(scope, component, `${component}-${hash}`),
    spec,
  };
}
