import type { Placement } from '../placement/placement.ts';
import { version } from '../version.ts';
import { type ComposeOptions, renderCompose } from './compose/compose.ts';
import { type RenderedFile, yamlFile } from './files.ts';
import { type KubernetesOptions, renderKubernetes } from './kubernetes/kubernetes.ts';

/** What is rendered when nobody asks for something else, and what deploy/ holds. */
export const renderDefaults = {
  image: `banyan:${version}`,
  namespace: 'banyan',
  host: 'shop.example.com',
};

/** A folder that `kubectl apply --kustomize` takes, and overlays build on. */
export function kubernetesFiles(options: KubernetesOptions): RenderedFile[] {
  const of = `kubernetes ${options.placement.name}`;
  const files = renderKubernetes(options).map(({ name, manifests }) =>
    yamlFile({ name, of, documents: manifests }),
  );
  const kustomization = {
    apiVersion: 'kustomize.config.k8s.io/v1beta1',
    kind: 'Kustomization',
    resources: files.map(({ name }) => name),
  };
  return [...files, yamlFile({ name: 'kustomization.yaml', of, documents: [kustomization] })];
}

/** One Compose file, `<placement>.yaml`. */
export function composeFile(options: ComposeOptions): RenderedFile {
  const { name } = options.placement;
  return yamlFile({
    name: `${name}.yaml`,
    of: `compose ${name}`,
    documents: [renderCompose(options)],
    notes: composeNotes(options.placement, options.modules, options.image),
  });
}

function composeNotes({ name, description }: Placement, modules: readonly string[], image: string): string[] {
  return [
    '',
    description,
    `Build ${image} (docker build --file deploy/Dockerfile --tag ${image} .), put what has no value here into \`.env\``,
    `beside this file, then: docker compose --file ${name}.yaml up --detach`,
    `All settings: docs/settings.md. Modules: ${modules.join(', ')}.`,
  ];
}
