import type { KubernetesOptions } from './kubernetes.ts';

/** What Kubernetes takes for the name of a namespace. */
const LABEL = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;
const HOST = /^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;
const LABEL_VALUE = /^[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$/;
const IMAGE = /^[\w.:/@-]+$/;

/** Which names a cluster would refuse, one sentence each. */
export function clusterNameProblems(
  options: Pick<KubernetesOptions, 'namespace' | 'host' | 'image'> & { readonly placement: string },
): string[] {
  const rules: [string, string, RegExp, string][] = [
    ['--namespace', options.namespace, LABEL, 'up to 63 small letters, digits and dashes'],
    ['--host', options.host, HOST, 'a host name in small letters'],
    ['--image', options.image, IMAGE, 'an image, as registry.example.com/banyan:1.0.0'],
    [
      'the name of the placement',
      options.placement,
      LABEL_VALUE,
      'up to 63 letters, digits, dashes and dots',
    ],
  ];
  return rules.flatMap(([what, value, pattern, expects]) =>
    pattern.test(value) ? [] : [`${what}: expected ${expects}, got ${JSON.stringify(value)}`],
  );
}
