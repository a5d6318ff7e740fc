interface SchemaError {
  readonly instancePath: string;
  readonly message?: string;
  readonly keyword: string;
  readonly params: unknown;
}

interface Validate {
  (data: unknown): boolean;
  readonly errors?: readonly SchemaError[] | null;
}

/**
 * What Kubernetes' own schema finds wrong with an object, one line each. The schemas let fields pass that they do not
 * know, which a cluster refuses; so a field counts as wrong as well when the schema never looked at it.
 */
export async function manifestFaults(manifest: object): Promise<string[]> {
  const { apiVersion, kind } = manifest as { apiVersion: string; kind: string };
  const validate = await schemaOf(apiVersion, kind);
  const unread = new Set<string>();
  validate(watch(manifest, '', unread));
  const wrong = (validate.errors ?? []).map(
    ({ instancePath, keyword, params }) => `${instancePath}: ${keyword} ${JSON.stringify(params)}`,
  );
  return [...wrong, ...[...unread].map((path) => `${path}: there is no such field`)];
}

/** `networking.k8s.io/v1`, `Ingress` → the schema IoK8sApiNetworkingV1Ingress; the first kinds of all are of `Core`. */
async function schemaOf(apiVersion: string, kind: string): Promise<Validate> {
  const [version = '', group = 'core'] = apiVersion.split('/').reverse();
  const capital = (word: string) => word.charAt(0).toUpperCase() + word.slice(1);
  const name = `IoK8sApi${capital(group.split('.')[0]!)}${capital(version)}${kind}`;
  return ((await import(`kubernetes-models/_schemas/${name}`)) as { validate: Validate }).validate;
}

/** A copy that takes each field off `unread` as it is looked at. */
function watch(value: unknown, path: string, unread: Set<string>): unknown {
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).map(([key, item]) => {
    unread.add(`${path}/${key}`);
    return [key, watch(item, `${path}/${key}`, unread)] as const;
  });
  const copy: object = Array.isArray(value) ? entries.map(([, item]) => item) : Object.fromEntries(entries);
  return new Proxy(copy, {
    get(target, key, receiver) {
      unread.delete(`${path}/${String(key)}`);
      return Reflect.get(target, key, receiver);
    },
  });
}
