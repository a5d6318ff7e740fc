import { execFile } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { Ajv } from 'ajv';
import addFormats from 'ajv-formats';
import { describe, expect, test } from 'vitest';
import { parse, parseAllDocuments } from 'yaml';
import { allModules } from '../compose.ts';
import { placementNames, readPlacement } from '../placement/placement.ts';
import { settingNames, settingTable } from '../settings.ts';
import { hasKubectl, kustomize } from '../testing/kubectl.ts';
import { manifestFaults } from '../testing/kubernetes-schema.ts';
import { version } from '../version.ts';
import { composeFile, kubernetesFiles, renderDefaults } from './rendered-files.ts';

const deploy = join(import.meta.dirname, '../../deploy');
const modules = allModules.map(({ contract }): string => contract.module);
const placements = placementNames();

const linterFolder = dirname(createRequire(import.meta.url).resolve('dclint/package.json'));
const keepsCompose = composeSchema();

interface AnyManifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace?: string };
}

function objectsIn(text: string): AnyManifest[] {
  return parseAllDocuments(text).map((document) => document.toJS() as AnyManifest);
}

const rendered = (name: string) =>
  kubernetesFiles({ placement: readPlacement(name), modules, version, ...renderDefaults });

describe.each(placements)('%s on Kubernetes', (name) => {
  const files = rendered(name);
  const folder = join(deploy, 'kubernetes/base', name);

  // `--update` writes them anew.
  test('is in deploy/ as it is rendered', async () => {
    for (const file of files) await expect(file.text).toMatchFileSnapshot(join(folder, file.name));
    expect(readdirSync(folder).sort()).toEqual(files.map((file) => file.name).sort());
  });

  test('has objects that each keep the schema of their kind', async () => {
    for (const file of files) {
      if (file.name === 'kustomization.yaml') continue;
      for (const manifest of objectsIn(file.text)) {
        expect([manifest.kind, manifest.metadata.name, await manifestFaults(manifest)]).toEqual([
          manifest.kind,
          manifest.metadata.name,
          [],
        ]);
      }
    }
  });

  test('reads the same in the YAML of before 2009, which clusters read', () => {
    for (const { text } of files) {
      const old = parseAllDocuments(text, { version: '1.1' }).map((document) => document.toJS() as unknown);
      expect(old).toEqual(objectsIn(text));
    }
  });
});

test('the schemas refuse a wrong value, a missing one, and a field that there is not', async () => {
  const deployment = (container: object) => ({
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'order', labels: { anything: 'goes' } },
    spec: {
      selector: { matchLabels: { a: 'b' } },
      template: { metadata: { labels: { a: 'b' } }, spec: { containers: [container] } },
    },
  });
  expect(await manifestFaults(deployment({ name: 'order', image: 'banyan:1' }))).toEqual([]);
  expect(await manifestFaults(deployment({ name: 'order', imag: 'banyan:1' }))).toEqual([
    '/spec/template/spec/containers/0/imag: there is no such field',
  ]);
  expect(await manifestFaults(deployment({ image: 'banyan:1' }))).toEqual([
    expect.stringContaining('required {"missingProperty":"name"}'),
  ]);
  expect(await manifestFaults(deployment({ name: 'order', args: 'serve' }))).toEqual([
    expect.stringContaining('/containers/0/args: type {"type":"array"}'),
  ]);
  await expect(manifestFaults({ apiVersion: 'apps/v1', kind: 'Deploymint' })).rejects.toThrow();
});

// A machine without a kubectl of today runs all other tests, and says that it left these out. CI installs one.
describe.skipIf(!(await hasKubectl()))('overlays, by kubectl', () => {
  test.each(['development', 'production'])(
    '%s builds, of objects that keep their schemas',
    async (overlay) => {
      const objects = objectsIn(await kustomize(join(deploy, 'kubernetes/overlays', overlay)));
      for (const manifest of objects) {
        expect([manifest.metadata.name, await manifestFaults(manifest)]).toEqual([
          manifest.metadata.name,
          [],
        ]);
      }
      const namespace = objects.find(({ kind }) => kind === 'Namespace')?.metadata.name;
      const others = objects.filter(({ kind }) => kind !== 'Namespace');
      expect(new Set(others.map(({ metadata }) => metadata.namespace))).toEqual(new Set([namespace]));
    },
  );

  test('development has no objects that need a cluster of several machines', async () => {
    const objects = objectsIn(await kustomize(join(deploy, 'kubernetes/overlays/development')));
    const kinds = new Set(objects.map(({ kind }) => kind));
    expect(kinds).toContain('StatefulSet');
    for (const kind of ['HorizontalPodAutoscaler', 'PodDisruptionBudget', 'Ingress']) {
      expect(kinds).not.toContain(kind);
    }
  });

  test('production runs its own image everywhere, and another image gets another migration job', async () => {
    const text = await kustomize(join(deploy, 'kubernetes/overlays/production'));
    const images = new Set(text.match(/(?<=image: ).+/g));
    expect([...images]).toEqual([`registry.example.com/banyan:${version}`]);
    const base = objectsIn(rendered('split').find(({ name }) => name === 'migrate.yaml')!.text);
    const jobIn = (objects: AnyManifest[]) => objects.find(({ kind }) => kind === 'Job')?.metadata.name;
    expect(jobIn(objectsIn(text))).toBe(`${jobIn(base)}-${version}`);
  });
});

test('the example of a Secret names every secret, and holds none', () => {
  const lines = readFileSync(join(deploy, 'kubernetes/secret.env.example'), 'utf8').split('\n');
  const entries = lines.filter((line) => line !== '' && !line.startsWith('#'));
  expect(entries.filter((line) => !line.endsWith('='))).toEqual([]);
  const secrets = settingNames.filter((name) => settingTable[name].secret || name === 'ADMIN_EMAIL');
  expect(entries.map((line) => line.slice(0, -1)).sort()).toEqual([...secrets].sort());
});

describe.each(placements)('%s with Compose', (name) => {
  const { text } = composeFile({ placement: readPlacement(name), modules, image: renderDefaults.image });

  test('is in deploy/ as it is rendered, and keeps the Compose specification', async () => {
    await expect(text).toMatchFileSnapshot(join(deploy, `compose/${name}.yaml`));
    keepsCompose(parse(text));
    expect(keepsCompose.errors).toBeNull();
  });
});

test('a service with a field that there is not breaks the Compose specification', () => {
  expect(keepsCompose({ services: { shop: { image: 'x', imag: 'x' } } })).toBe(false);
});

test('dclint finds nothing in the Compose files, nor any file too many', async () => {
  const folder = join(deploy, 'compose');
  expect(readdirSync(folder).sort()).toEqual(placements.map((name) => `${name}.yaml`).sort());
  const linter = join(linterFolder, 'bin/dclint.cjs');
  const files = placements.map((name) => join(folder, `${name}.yaml`));
  const run = promisify(execFile)(process.execPath, [linter, '--max-warnings', '0', ...files]);
  const found = await run.then(
    () => 'nothing',
    ({ stdout, message }: { stdout?: string; message: string }) => stdout || message,
  );
  expect(found).toBe('nothing');
});

function composeSchema() {
  const schema = JSON.parse(readFileSync(join(linterFolder, 'schemas/compose.schema.json'), 'utf8'));
  const ajv = new Ajv({ strict: false, allErrors: true });
  addFormats.default(ajv);
  return ajv.compile({ ...schema, $schema: undefined });
}
