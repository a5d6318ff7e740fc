import { STOP_SECONDS } from '../limits.ts';

/** A service of a Compose file; the schema of Compose says what it may have. */
export type Service = Readonly<Record<string, unknown>>;

/** What all services of the shop have in common. */
export interface Scope {
  readonly image: string;
  /** Settings of all processes, where nobody sets another value in `.env`. */
  readonly defaults: Readonly<Record<string, string>>;
}

/** What keeps a container of the shop from more than it needs; it can write to these folders of memory alone. */
export function confined(tmpfs: readonly string[], replicas = 1): Service {
  return {
    cap_drop: ['ALL'],
    ...(replicas === 1 ? {} : { deploy: { replicas } }),
    // Reaps what a process leaves, and hands signals on from the first moment.
    init: true,
    read_only: true,
    security_opt: ['no-new-privileges:true'],
    stop_grace_period: `${STOP_SECONDS}s`,
    tmpfs,
  };
}
