import type { IIngress } from 'kubernetes-models/networking.k8s.io/v1/Ingress';
import type { IService } from 'kubernetes-models/v1/Service';
import { OPS_PORT, type RenderedProcess } from '../processes.ts';
import { metadataOf, type Scope, SHOP, selectorOf } from './manifest.ts';

/** Component of what leads to the public process, and stays as it is when another process becomes that. */
const ENTRANCE = 'entrance';

/** The way of people's requests to the public process. */
export function entranceService(scope: Scope, publicProcess: RenderedProcess): IService {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: metadataOf(scope, ENTRANCE, SHOP),
    spec: {
      selector: selectorOf(publicProcess.name),
      ports: [{ name: 'http', port: 80, targetPort: 'http' }],
    },
  };
}

/** TLS ends here; the certificate is in the Secret `banyan-tls`. */
export function ingress(scope: Scope, host: string): IIngress {
  return {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'Ingress',
    metadata: metadataOf(scope, ENTRANCE, SHOP),
    spec: {
      tls: [{ hosts: [host], secretName: `${SHOP}-tls` }],
      rules: [
        {
          host,
          http: {
            paths: [
              {
                path: '/',
                pathType: 'Prefix',
                backend: { service: { name: SHOP, port: { name: 'http' } } },
              },
            ],
          },
        },
      ],
    },
  };
}

/**
 * The name by which PEERS has a process. It stands for the addresses of all its pods that are ready, since a peer
 * spreads its requests itself and must see each of them to leave out one that fails.
 */
export function peerService(scope: Scope, { name }: RenderedProcess): IService {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: metadataOf(scope, name),
    spec: {
      clusterIP: 'None',
      selector: selectorOf(name),
      ports: [{ name: 'operations', port: OPS_PORT, targetPort: 'operations' }],
    },
  };
}
