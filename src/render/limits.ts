import { MIGRATION_DEADLINE_MS, PEER_RESOLVE_MS, WORKER_STOP_TIMEOUT_MS } from '../limits.ts';

/** CoreDNS lets answers be kept for 5 s, and the news that a pod ends takes its time to reach balancers. */
const NEWS_SECONDS = 10;
/** A pod that is to end answers this long before it is told, until no balancer and no peer sends it anything. */
export const PRE_STOP_SECONDS = PEER_RESOLVE_MS / 1_000 + NEWS_SECONDS;
/** What the shop gives itself to stop, and a little: it is never cut off amid a request. */
export const STOP_SECONDS = WORKER_STOP_TIMEOUT_MS / 1_000 + 10;

/** Of whatever answers requests: one may then be lost, or moved, and nobody notices. */
export const HTTP_REPLICAS = 2;
/** An autoscaler goes up to this many times the pods at rest: Postgres must have connections for all of them. */
export const GROWTH = 2;
/** Node computes on one thread: at this share of what it asked for there is room until another pod is ready. */
export const CPU_TARGET_PERCENT = 70;

/**
 * What one process asks for and may take. It is of 0.2 GB at rest; argon2, 19 MiB for each login at once, and
 * requests of up to 1 MiB come on top. More than one core is for garbage collection and password hashes.
 */
export const CPU_REQUEST = '250m';
export const CPU_LIMIT = '2';
export const MEMORY_REQUEST = '320Mi';
export const MEMORY_LIMIT = '1Gi';
/** The shop writes nothing to /tmp; this is for who looks into a pod. */
export const TMP_SIZE = '64Mi';
/** What is written to DATA_DIR on Postgres: next to nothing, or mail where there is no mail server. */
export const DATA_SIZE = '256Mi';

/** A migration job is given up a while after its own deadline. */
export const MIGRATE_SECONDS = MIGRATION_DEADLINE_MS / 1_000 + 300;
/** Tries of a migration, each after a longer wait: a database that starts at the same time is there by then. */
export const MIGRATE_TRIES = 6;
/** What a finished job said stays for a day. */
export const MIGRATE_KEEP_SECONDS = 24 * 60 * 60;

/** Connections of a Postgres beside those of the shop: for operators, and for processes that are being replaced. */
export const SPARE_CONNECTIONS = 20;
/** What a Postgres allows that is not told otherwise. */
export const USUAL_CONNECTIONS = 100;
