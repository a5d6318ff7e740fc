import { counter, gauge, histogram } from './instruments.ts';

const MODULE = 'a module';
const SENDER = 'the module that sent the event';
const METHOD = '`GET`, `HEAD`, `POST`, `PUT`, `PATCH`, `DELETE`, `OPTIONS`, `OTHER`';
const ROUTE = 'a path pattern as `/orders/{id}`, or `unmatched`';
const STATUS = 'an HTTP status';
const CALLER = 'a module, `edge` or `operator`';
const CALL = "a call of the module's contract";

/** From a cached read to the longest wait that docs/api.md allows. */
const REQUEST_BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];
/** From a cached answer in this process to the longest deadline of a call. */
const CALL_BUCKETS = [
  0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 30,
];
/** From a delivery straight after its commit to one whose consumer was away for an hour. */
const LAG_BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 3600];
/** From an order paid at once to one whose undoing met an outage; 60 s is the time a saga goes forward. */
const SAGA_BUCKETS = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 600, 3600];

/** What the platform measures; modules declare what is theirs in their own `metrics.ts`. */
export const platformMetrics = {
  buildInfo: gauge({
    name: 'banyan_build_info',
    help: 'Always 1; its label says which version runs.',
    labels: { version: 'the version of the program' },
    toldBy: 'every',
  }),
  ready: gauge({
    name: 'banyan_ready',
    help: 'Whether the process was ready for work when last looked at, as /readyz says.',
    labels: {},
    toldBy: 'every',
  }),

  requestDuration: histogram({
    name: 'http_request_duration_seconds',
    help: 'Time from a request to its answer, by method, path pattern and status.',
    labels: { method: METHOD, route: ROUTE, status: STATUS },
    toldBy: 'seen',
    buckets: REQUEST_BUCKETS,
  }),
  forwardedDuration: histogram({
    name: 'banyan_forwarded_request_duration_seconds',
    help: 'The same for requests that came in at another process and are answered here.',
    labels: { method: METHOD, route: ROUTE, status: STATUS },
    toldBy: 'seen',
    buckets: REQUEST_BUCKETS,
  }),
  requestsInFlight: gauge({
    name: 'banyan_requests_in_flight',
    help: 'Public requests that are not answered yet, those from other processes included.',
    labels: {},
    toldBy: 'every',
  }),
  requestsRefused: counter({
    name: 'banyan_requests_refused_total',
    help: 'Public requests that were turned away for want of room or of a part that is away, where that was found.',
    labels: {
      reason: '`overload`, `rate_limit`, `database_busy`, `database_away`, `peer_away`, `timeout`',
    },
    toldBy: 'every',
  }),

  callDuration: histogram({
    name: 'banyan_call_duration_seconds',
    help: 'Time of a call from one module to another, by where the other one runs and how the call ended.',
    labels: {
      caller: CALLER,
      module: MODULE,
      call: CALL,
      mode: '`local` or `remote`',
      outcome: '`ok`, `declared`, `unavailable`, `bug`',
    },
    toldBy: 'seen',
    buckets: CALL_BUCKETS,
  }),
  callBytes: counter({
    name: 'banyan_call_bytes_total',
    help: 'Bytes of calls whose size is known, as they are between processes.',
    labels: { caller: CALLER, module: MODULE, call: CALL, direction: '`input` or `output`' },
    toldBy: 'seen',
  }),
  callSized: counter({
    name: 'banyan_call_sized_total',
    help: 'Calls that banyan_call_bytes_total is about.',
    labels: { caller: CALLER, module: MODULE, call: CALL },
    toldBy: 'seen',
  }),
  shadowCalls: counter({
    name: 'banyan_shadow_calls_total',
    help: 'Calls in this process that were compared with what they would be between processes.',
    labels: { module: MODULE, call: CALL, result: '`same` or `different`' },
    toldBy: 'shadow',
  }),
  contractSkew: gauge({
    name: 'banyan_contract_skew',
    help: 'Whether an answer of a call came from a process whose contract of it differs from ours, of late.',
    labels: { module: MODULE, call: CALL },
    toldBy: 'seen',
  }),

  peerDown: gauge({
    name: 'banyan_peer_down',
    help: 'Whether a module in another process is known to be down, so that nobody waits for it.',
    labels: { module: MODULE },
    toldBy: 'peers',
  }),
  peerInFlight: gauge({
    name: 'banyan_peer_requests_in_flight',
    help: 'Calls and passed-on requests to a module in another process that are not answered yet.',
    labels: { module: MODULE },
    toldBy: 'peers',
  }),
  peerRetries: counter({
    name: 'banyan_peer_retries_total',
    help: 'Requests to a module in another process that were sent again.',
    labels: { module: MODULE },
    toldBy: 'peers',
  }),
  peerEjections: counter({
    name: 'banyan_peer_ejections_total',
    help: 'How often a process of a module was left out for a while because it gave no answer.',
    labels: { module: MODULE },
    toldBy: 'peers',
  }),

  databaseConnections: gauge({
    name: 'banyan_database_connections',
    help: "Connections of a module's pool.",
    labels: { module: 'a module, or `all` on the embedded database', state: '`busy` or `idle`' },
    toldBy: 'hosting',
  }),
  databaseConnectionsMax: gauge({
    name: 'banyan_database_connections_max',
    help: 'Connections that the pool of a module may have at most.',
    labels: { module: 'as above' },
    toldBy: 'hosting',
  }),
  databaseWaiting: gauge({
    name: 'banyan_database_waiting',
    help: 'Statements and transactions that wait for a connection.',
    labels: { module: 'as above' },
    toldBy: 'hosting',
  }),
  databaseRefused: counter({
    name: 'banyan_database_refused_total',
    help: 'Statements and transactions that got no connection: too many waited, or they waited too long.',
    labels: { module: 'as above' },
    toldBy: 'hosting',
  }),

  outboxPending: gauge({
    name: 'banyan_outbox_pending',
    help: "Deliveries of a module's events that are not done, parked ones apart.",
    labels: { module: SENDER },
    toldBy: 'workers',
  }),
  outboxOldest: gauge({
    name: 'banyan_outbox_oldest_seconds',
    help: 'Age of the oldest event that some consumer has not handled, parked ones apart; 0 when there is none.',
    labels: { module: SENDER },
    toldBy: 'workers',
  }),
  deliveriesParked: gauge({
    name: 'banyan_deliveries_parked',
    help: 'Deliveries that failed too often and wait for `banyan events retry` or `skip`.',
    labels: { module: SENDER, consumer: MODULE },
    toldBy: 'workers',
  }),
  deliveries: counter({
    name: 'banyan_deliveries_total',
    help: 'Tries to deliver an event, by what came of them; a failed one is tried again.',
    labels: { module: SENDER, consumer: MODULE, outcome: '`done`, `failed`, `parked`' },
    toldBy: 'workers',
  }),
  deliveryLag: histogram({
    name: 'banyan_delivery_lag_seconds',
    help: 'Time from the writing of an event to its effect at a consumer, by the clock of the database.',
    labels: { module: SENDER, consumer: MODULE },
    toldBy: 'seen',
    buckets: LAG_BUCKETS,
  }),

  sagaDuration: histogram({
    name: 'banyan_saga_duration_seconds',
    help: 'Time from the start of a saga to its end, by the clock of the database.',
    labels: { module: MODULE, saga: 'a saga', outcome: '`completed` or `compensated`' },
    toldBy: 'seen',
    buckets: SAGA_BUCKETS,
  }),
  sagasOpen: gauge({
    name: 'banyan_sagas_open',
    help: 'Sagas that have not ended.',
    labels: { module: 'a module that has sagas' },
    toldBy: 'workers',
  }),
  sagaOldest: gauge({
    name: 'banyan_saga_oldest_seconds',
    help: 'Age of the oldest saga that has not ended and does not wait on purpose; 0 when there is none.',
    labels: { module: 'a module that has sagas' },
    toldBy: 'workers',
  }),

  jobs: counter({
    name: 'banyan_jobs_total',
    help: 'Runs of background jobs and of schedules, by how they ended; a job to be retried goes on later.',
    labels: {
      module: MODULE,
      job: 'a kind of job, a schedule, or `unknown`',
      outcome: '`done`, `retried`, `failed`',
    },
    toldBy: 'workers',
  }),
  queueJobs: gauge({
    name: 'banyan_queue_jobs',
    help: "Jobs in a module's queue in Redis.",
    labels: { queue: MODULE, state: '`waiting`, `active`, `delayed`, `failed`' },
    toldBy: 'queues',
  }),

  cacheRequests: counter({
    name: 'banyan_cache_requests_total',
    help: 'Reads through a cache, and whether it had what was asked for.',
    labels: { cache: '`products`', result: '`hit` or `miss`' },
    toldBy: 'hosting',
  }),
  redisUp: gauge({
    name: 'banyan_redis_up',
    help: 'Whether Redis answers; the shop goes on without it.',
    labels: {},
    toldBy: 'redis',
  }),

  tlsExpiry: gauge({
    name: 'banyan_tls_expiry_timestamp_seconds',
    help: "When the public port's certificate ends, in seconds since 1970.",
    labels: {},
    toldBy: 'tls',
  }),

  memoryLimit: gauge({
    name: 'banyan_memory_limit_bytes',
    help: 'Memory that the process may have: what its container may, or what the machine has.',
    labels: {},
    toldBy: 'every',
  }),
  diskFree: gauge({
    name: 'banyan_disk_free_bytes',
    help: 'Room left for this process in the file system of a place.',
    labels: { place: '`data`: DATA_DIR' },
    toldBy: 'every',
  }),
  diskSize: gauge({
    name: 'banyan_disk_size_bytes',
    help: 'Size of the file system of a place.',
    labels: { place: '`data`: DATA_DIR' },
    toldBy: 'every',
  }),
} as const;
