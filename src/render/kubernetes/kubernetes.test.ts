import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { IDeployment } from 'kubernetes-models/apps/v1/Deployment';
import type { IHorizontalPodAutoscaler } from 'kubernetes-models/autoscaling/v2/HorizontalPodAutoscaler';
import type { IJob } from 'kubernetes-models/batch/v1/Job';
import type { INetworkPolicy } from 'kubernetes-models/networking.k8s.io/v1/NetworkPolicy';
import type { IConfigMap } from 'kubernetes-models/v1/ConfigMap';
import type { IService } from 'kubernetes-models/v1/Service';
import { expect, test } from 'vitest';
import { allModules, missingPeers } from '../../compose.ts';
import { loadConfig } from '../../config.ts';
import { STOP_TIMEOUT_MS, WORKER_STOP_TIMEOUT_MS } from '../../limits.ts';
import { environmentOf } from '../../placement/environment.ts';
import { placeInstances } from '../../placement/instances.ts';
import { type Placement, parsePlacement, placementNames, readPlacement } from '../../placement/placement.ts';
import { settingNames, settingTable } from '../../settings.ts';
import { renderDefaults } from '../rendered-files.ts';
import { renderKubernetes } from './kubernetes.ts';
import type { Manifest } from './manifest.ts';
import { USER_ID } from './pod.ts';

const modules = allModules.map(({ contract }): string => contract.module);

function render(placement: Placement, changes: Partial<typeof renderDefaults> = {}): Manifest[] {
  const files = renderKubernetes({ placement, modules, version: '1.2.3', ...renderDefaults, ...changes });
  return files.flatMap(({ manifests }) => manifests);
}

function every<Kind extends Manifest>(manifests: readonly Manifest[], kind: Kind['kind']): Kind[] {
  return manifests.filter((manifest) => manifest.kind === kind) as Kind[];
}

function one<Kind extends Manifest>(manifests: readonly Manifest[], kind: Kind['kind'], name: string): Kind {
  return every<Kind>(manifests, kind).find(({ metadata }) => metadata?.name === name)!;
}

/** What the Secret of a cluster could hold. */
const secret: Record<string, string> = {
  DATABASE_URL: 'postgres://shop:shop@db/shop',
  ...Object.fromEntries(
    modules.map((module) => [`${module.toUpperCase()}_DATABASE_URL`, `postgres://a@b/${module}`]),
  ),
  REDIS_URL: 'redis://redis',
  SERVICE_SECRET: 'a secret that is long enough to be one',
  SMTP_URL: 'smtp://mail',
  ADMIN_EMAIL: 'admin@example.com',
  ADMIN_PASSWORD: 'a long password',
};

/** The environment that a container would find, where the Secret holds these. */
function environmentIn(manifests: readonly Manifest[], deployment: IDeployment, held = secret) {
  const [container] = deployment.spec!.template.spec!.containers;
  const settings = one<IConfigMap>(manifests, 'ConfigMap', 'banyan').data!;
  const own = (container!.env ?? []).flatMap(({ name, value, valueFrom }) => {
    const given = value ?? held[valueFrom!.secretKeyRef!.key];
    return given === undefined ? [] : [[name, given] as const];
  });
  return { ...settings, ...Object.fromEntries(own) };
}

test.each(placementNames())(
  '%s: each process is told what banyan up would tell it, and starts by it',
  (name) => {
    const placement = readPlacement(name);
    const manifests = render(placement);
    const instances = placeInstances(placement, modules, ({ process }) => ({
      settings: {},
      peer: `http://${process.name}:9090`,
    }));
    const deployments = every<IDeployment>(manifests, 'Deployment');
    expect(deployments.map(({ metadata }) => metadata!.name)).toEqual(instances.map(({ name }) => name));
    for (const instance of instances) {
      const env = environmentIn(manifests, one<IDeployment>(manifests, 'Deployment', instance.name));
      const up = environmentOf(placement, instance, { env: secret });
      for (const variable of ['MODULES', 'ROLES', 'PEERS', 'WORKERS', ...Object.keys(placement.defaults)]) {
        expect([variable, env[variable]]).toEqual([variable, up[variable]]);
      }
      // Whatever secret it does without, the process has no use for.
      const config = loadConfig({ env, inspect: missingPeers });
      expect(config).toMatchObject({
        roles: instance.process.roles,
        opsHost: '0.0.0.0',
        opsPort: 9090,
        migrate: 'off',
        workers: 1,
      });
      expect(config.host).toBe(instance.process.public ? '0.0.0.0' : '127.0.0.1');
    }
  },
);

test('a process gets the secrets that it has a use for, and waits for those that it needs', () => {
  const manifests = render(readPlacement('split-databases'));
  const secretsOf = (name: string) => {
    const { containers } = one<IDeployment>(manifests, 'Deployment', name).spec!.template.spec!;
    const refs = containers[0]!.env!.flatMap(({ valueFrom }) => valueFrom?.secretKeyRef ?? []);
    expect(new Set(refs.map((ref) => ref.name))).toEqual(new Set(['banyan']));
    return refs
      .map(({ key, optional }) => (optional ? `${key}?` : key))
      .filter((key) => !/^OTEL|ACCEPTED/.test(key));
  };
  expect(secretsOf('gateway')).toEqual(['REDIS_URL?', 'SERVICE_SECRET']);
  expect(secretsOf('order')).toEqual(['ORDER_DATABASE_URL', 'REDIS_URL', 'SERVICE_SECRET']);
  expect(secretsOf('notification')).not.toContain('SMTP_URL');
  expect(secretsOf('notification-worker')).toContain('SMTP_URL');
  expect(secretsOf('user')).toEqual(expect.arrayContaining(['ADMIN_EMAIL?', 'ADMIN_PASSWORD?']));
  expect(secretsOf('payment')).toContain('PAYMENT_WEBHOOK_SECRET?');
});

test.each(placementNames())('%s: no object holds a secret', (name) => {
  const manifests = render(readPlacement(name));
  expect(manifests.map(({ kind }) => kind as string)).not.toContain('Secret');
  const held = settingNames.filter((setting) => settingTable[setting].secret);
  const told = Object.keys(one<IConfigMap>(manifests, 'ConfigMap', 'banyan').data!);
  expect(told.filter((setting) => held.includes(setting as never))).toEqual([]);
  for (const deployment of every<IDeployment>(manifests, 'Deployment')) {
    const { containers, initContainers = [] } = deployment.spec!.template.spec!;
    for (const { env = [] } of [...containers, ...initContainers]) {
      expect(env.filter(({ name, value }) => held.includes(name as never) && value !== undefined)).toEqual(
        [],
      );
    }
  }
});

test('the names in PEERS are Services whose policy lets the asker in, and nobody else in the shop', () => {
  for (const placement of placementNames().map((name) => readPlacement(name))) {
    const manifests = render(placement);
    const processes = every<IDeployment>(manifests, 'Deployment').map(({ metadata }) => metadata!.name!);
    const asks = new Map(
      processes.map((name) => {
        const { PEERS = '' } = environmentIn(manifests, one<IDeployment>(manifests, 'Deployment', name));
        return [name, new Set(PEERS.match(/(?<=http:\/\/)[a-z-]+(?=:9090)/g))];
      }),
    );
    for (const asked of processes) {
      const askers = processes.filter((asker) => asks.get(asker)!.has(asked));
      const service = one<IService>(manifests, 'Service', asked);
      expect(service === undefined).toBe(askers.length === 0);
      if (service !== undefined) {
        expect(service.spec).toMatchObject({
          clusterIP: 'None',
          selector: { 'app.kubernetes.io/component': asked },
          ports: [{ port: 9090 }],
        });
      }
      const { ingress } = one<INetworkPolicy>(manifests, 'NetworkPolicy', asked).spec!;
      expect(letIn(ingress!, 9090)).toEqual(askers);
      // Whoever asks may also go there.
      for (const asker of askers) {
        const { egress } = one<INetworkPolicy>(manifests, 'NetworkPolicy', asker).spec!;
        expect(egress!.flatMap(({ to = [] }) => to).flatMap(componentsIn)).toContain(asked);
      }
    }
  }
});

type Ingress = NonNullable<NonNullable<INetworkPolicy['spec']>['ingress']>;

function letIn(ingress: Ingress, port: number): string[] {
  const rules = ingress.filter(({ ports }) => ports!.some((each) => each.port === port));
  return rules.flatMap(({ from = [] }) => from).flatMap(componentsIn);
}

function componentsIn({
  podSelector,
}: {
  podSelector?: { matchExpressions?: { values?: readonly string[] }[] };
}) {
  return podSelector?.matchExpressions?.flatMap(({ values }) => values ?? []) ?? [];
}

test('the operations port is for peers and Prometheus, the public one for the ingress, and all else is refused', () => {
  const manifests = render(readPlacement('split'));
  expect(one<INetworkPolicy>(manifests, 'NetworkPolicy', 'default-deny').spec).toEqual({
    podSelector: { matchLabels: { 'app.kubernetes.io/name': 'banyan' } },
    policyTypes: ['Ingress', 'Egress'],
  });
  for (const { metadata, spec } of every<INetworkPolicy>(manifests, 'NetworkPolicy')) {
    const rules = (spec!.ingress ?? []).map(({ from, ports }) => ({
      ports: ports!.map(({ port }) => port),
      namespaces: from!.map(
        ({ namespaceSelector }) => Object.values(namespaceSelector?.matchLabels ?? {})[0],
      ),
    }));
    const open = rules.flatMap(({ ports, namespaces }) =>
      ports.map((port) => `${port} ${namespaces.at(-1)}`),
    );
    const expected: Record<string, string[]> = {
      gateway: ['9090 monitoring', '8080 ingress-nginx'],
      'default-deny': [],
      migrate: [],
    };
    expect([metadata!.name, open]).toEqual([
      metadata!.name,
      expected[metadata!.name!] ?? ['9090 monitoring'],
    ]);
  }
});

test('a process reaches the servers that it has secrets for, and no others', () => {
  const manifests = render(readPlacement('split'));
  const portsOf = (name: string) => {
    const { egress } = one<INetworkPolicy>(manifests, 'NetworkPolicy', name).spec!;
    return egress!
      .filter(({ to }) => to === undefined)
      .flatMap(({ ports }) => ports!.map(({ port }) => port));
  };
  expect(portsOf('gateway')).toEqual([6379, 4318]);
  expect(portsOf('order')).toEqual([5432, 6379, 4318]);
  expect(portsOf('notification-worker')).toEqual([5432, 6379, 25, 465, 587, 4318]);
  expect(portsOf('migrate')).toEqual([5432]);
});

test('people reach the public process by one Service and Ingress, whichever process that is', () => {
  for (const [name, process] of [
    ['split', 'gateway'],
    ['monolith', 'shop'],
    ['order-payment', 'order-payment'],
  ] as const) {
    const service = one<IService>(render(readPlacement(name)), 'Service', 'banyan');
    expect(service.spec).toEqual({
      selector: { 'app.kubernetes.io/name': 'banyan', 'app.kubernetes.io/component': process },
      ports: [{ name: 'http', port: 80, targetPort: 'http' }],
    });
  }
});

test('pods are those of nobody special, and are asked, drained and given the time that the shop takes', () => {
  const deployments = every<IDeployment>(render(readPlacement('split')), 'Deployment');
  for (const { metadata, spec } of deployments) {
    const pod = spec!.template.spec!;
    expect(pod).toMatchObject({
      automountServiceAccountToken: false,
      enableServiceLinks: false,
      securityContext: { runAsNonRoot: true, runAsUser: 1000, seccompProfile: { type: 'RuntimeDefault' } },
    });
    for (const container of [...pod.containers, ...(pod.initContainers ?? [])]) {
      expect(container.securityContext).toEqual({
        allowPrivilegeEscalation: false,
        readOnlyRootFilesystem: true,
        capabilities: { drop: ['ALL'] },
      });
      expect(container.volumeMounts!.map(({ mountPath }) => mountPath)).toEqual(['/data', '/tmp']);
    }
    const [container] = pod.containers;
    const asked = [container!.startupProbe, container!.readinessProbe, container!.livenessProbe];
    expect(asked.map((probe) => `${probe!.httpGet!.port} ${probe!.httpGet!.path}`)).toEqual([
      'operations /livez',
      'operations /readyz',
      'operations /livez',
    ]);
    const drainSeconds = container!.lifecycle?.preStop?.sleep?.seconds ?? 0;
    expect(drainSeconds > 0).toBe(!metadata!.name!.endsWith('-worker'));
    const left = (pod.terminationGracePeriodSeconds! - drainSeconds) * 1_000;
    expect(left).toBeGreaterThan(Math.max(WORKER_STOP_TIMEOUT_MS, STOP_TIMEOUT_MS));
  }
});

test('pods run as the user of the image, by its number', () => {
  const dockerfile = readFileSync(join(import.meta.dirname, '../../../deploy/Dockerfile'), 'utf8');
  expect(dockerfile).toContain(`\nUSER ${USER_ID}:${USER_ID}\n`);
});

test('a changed placement changes what is rendered: replicas, modules, databases', () => {
  const placementOf = (text: string) => parsePlacement('mine', `description: Mine.\n${text}`, 'mine.yaml');
  const before = placementOf('processes:\n  shop: { modules: all, roles: [http, worker], public: true }\n');
  const more = placementOf(
    'processes:\n  shop: { modules: all, roles: [http, worker], public: true, replicas: 5 }\n',
  );
  const limits = (placement: Placement) => {
    const { spec } = one<IHorizontalPodAutoscaler>(render(placement), 'HorizontalPodAutoscaler', 'shop');
    return [spec!.minReplicas, spec!.maxReplicas];
  };
  expect([limits(before), limits(more)]).toEqual([
    [2, 4],
    [5, 10],
  ]);

  const apart = placementOf(`processes:
  shop: { modules: [user, order, payment, notification], roles: [http, worker], public: true }
  stock: { modules: [product], roles: [http, worker] }
`);
  const manifests = render(apart);
  const env = environmentIn(manifests, one<IDeployment>(manifests, 'Deployment', 'shop'));
  expect(env).toMatchObject({
    MODULES: 'user,payment,order,notification',
    PEERS: 'product=http://stock:9090',
  });
  expect(every<IService>(manifests, 'Service').map(({ metadata }) => metadata!.name)).toEqual([
    'banyan',
    'shop',
    'stock',
  ]);
});

test('a migration job of another image, placement or version has another name, and the same one has the same', () => {
  const jobOf = (...options: Parameters<typeof render>) => {
    const [job] = every<IJob>(render(...options), 'Job');
    return job!;
  };
  const split = readPlacement('split');
  const names = [
    jobOf(split),
    jobOf(split, { image: 'banyan:2' }),
    jobOf(readPlacement('split-databases')),
  ].map(({ metadata }) => metadata!.name);
  expect(new Set(names).size).toBe(3);
  expect(jobOf(split)).toEqual(jobOf(split));
  const [container] = jobOf(readPlacement('split-databases')).spec!.template.spec!.containers;
  expect(container!.args).toEqual(['migrate']);
  expect(container!.env!.flatMap(({ valueFrom }) => valueFrom?.secretKeyRef?.key ?? [])).toEqual(
    modules.map((module) => `${module.toUpperCase()}_DATABASE_URL`),
  );
});

test('whoever has data waits for the migration, and a gateway for nobody', () => {
  const manifests = render(readPlacement('split'));
  const waits = (name: string) =>
    one<IDeployment>(manifests, 'Deployment', name).spec!.template.spec!.initContainers?.map(
      ({ args }) => args,
    );
  expect(waits('order')).toEqual([['migrate', '--wait']]);
  expect(waits('gateway')).toBeUndefined();
});
