import type { PlacedInstance } from '../placement/instances.ts';
import type { Placement } from '../placement/placement.ts';
import type { ModuleName, SettingName } from '../settings.ts';

/** A setting that comes from where secrets are kept, never from a file. */
export interface SecretUse {
  readonly name: SettingName;
  /** Whether the process cannot do its work without it. */
  readonly isNeeded: boolean;
}

/** The module that reads a setting; all other processes do without. */
const readBy: readonly {
  readonly name: SettingName;
  readonly module: ModuleName;
  readonly role?: 'worker';
}[] = [
  { name: 'ADMIN_EMAIL', module: 'user' },
  { name: 'ADMIN_PASSWORD', module: 'user' },
  { name: 'PAYMENT_WEBHOOK_SECRET', module: 'payment' },
  { name: 'SMTP_URL', module: 'notification', role: 'worker' },
];

/**
 * The secrets that a process gets: those it has a use for and no others, so that who breaks into one process has not
 * broken into all. `all` are the modules of the shop.
 */
export function secretsOf(
  placement: Pick<Placement, 'databases'>,
  { modules, settings, process }: Pick<PlacedInstance, 'modules' | 'settings' | 'process'>,
  all: readonly string[],
): SecretUse[] {
  const isPart = modules.length < all.length;
  const own = readBy.filter(
    ({ module, role }) => modules.includes(module) && (role === undefined || process.roles.includes(role)),
  );
  return [
    ...databaseSecrets(placement, modules),
    { name: 'REDIS_URL', isNeeded: isPart && modules.length > 0 },
    // Names the shop in Redis as well, so that either all processes have it or none.
    { name: 'SERVICE_SECRET', isNeeded: isPart || settings.PEERS !== undefined },
    { name: 'SERVICE_SECRET_ACCEPTED', isNeeded: false },
    { name: 'OTEL_EXPORTER_OTLP_HEADERS', isNeeded: false },
    ...own.map(({ name }) => ({ name, isNeeded: false })),
  ];
}

/** Where these modules' data is: one database for all, or one for each. */
export function databaseSecrets(
  { databases }: Pick<Placement, 'databases'>,
  modules: readonly string[],
): SecretUse[] {
  if (modules.length === 0) return [];
  if (databases === 'shared') return [{ name: 'DATABASE_URL', isNeeded: true }];
  return modules.map((module) => ({
    name: `${module.toUpperCase()}_DATABASE_URL` as SettingName,
    isNeeded: true,
  }));
}
