/**
 * Every limit of the platform, with its reason. A module's own limits stand in the module's `limits.ts`.
 */

/** The contract's body limit; catalogues and orders of 2,000 lines fit several times over. */
export const BODY_BYTES = 1024 * 1024;
/** A CSV import is streamed, so this bounds disk and time, not memory. */
export const IMPORT_BYTES = 64 * 1024 * 1024;
/** Node's own default; larger headers are answered with 431 by the HTTP parser. */
export const HEADER_BYTES = 16 * 1024;
/** A request that is passed on has what a client may send, and what the edge says of it: less than a kilobyte. */
export const OPS_HEADER_BYTES = 2 * HEADER_BYTES;
/** Deeper JSON than this has no use in the API and costs stack in validators. */
export const JSON_DEPTH = 32;
/** A client that has not finished its headers by then holds a socket for nothing. */
export const HEADERS_TIMEOUT_MS = 10_000;
/** Long enough for an import of 64 MiB at 2 MiB/s, short enough to free sockets of dead clients. */
export const REQUEST_TIMEOUT_MS = 30_000;
export const CONNECTION_CHECK_MS = 5_000;
/** Sockets at once; one costs about 20 kB, so this is 200 MB at worst. */
export const CONNECTIONS = 10_000;
/** Requests being answered at once; beyond it a caller is better served by 503 than by a queue. */
export const REQUESTS_IN_FLIGHT = 1_000;

/** What waits for its turn in a batch: more than all requests in flight could ask for, so only a fault gets there. */
export const BATCH_WAITING = 10_000;

/** What shares one transaction: more would save little, and all of it waits for the slowest. */
export const SHARED_TRANSACTION = 32;
/** Shared transactions of one module at once: while one commits another gathers, and the pool keeps room for the rest. */
export const SHARED_TRANSACTIONS = 2;
/** What shares a transaction waits so long for a lock: orders hold theirs for some ms, and a stopped process for seconds. */
export const SHARED_LOCK_MS = 100;

/** A local call that takes longer has lost its caller: the edge answers within 30 s at most. */
export const CALL_TIMEOUT_MS = 30_000;

/** Transactions waiting for the embedded database's single session; each runs for about 1 ms. */
export const EMBEDDED_QUEUE = 1_000;
/** The embedded database computes on the process's only thread; sockets and timers get theirs this often. */
export const EMBEDDED_BREATH_MS = 5;

/** As Postgres has it by itself: what a crash leaves to be replayed, and the log on disk, is that of five minutes. */
export const EMBEDDED_CHECKPOINT_MS = 5 * 60_000;
/** After a panic the embedded database is opened anew, at most this often: it takes 0.3 s, and half a gigabyte for a while. */
export const EMBEDDED_REOPEN_MS = 5_000;
/** Prepared statements kept of the embedded database; the shop has about 150 texts, lists of filters some more. */
export const EMBEDDED_STATEMENTS = 500;

/** An answer is replayed for this long after it was first given (docs/api.md). */
export const IDEMPOTENCY_HOURS = 24;
export const IDEMPOTENCY_KEY_LENGTH = 255;
/** Keys looked up in one statement: as many as orders that begin at once in one transaction, and the answers are short. */
export const KEYS_TOGETHER = 32;
/** Such statements at once: should one be slow, others that come later pass it. */
export const KEY_LANES = 2;

/** Deliveries a relay claims at once for one consumer; bounds memory and what a crash leaves leased. */
export const RELAY_BATCH = 100;
/** Deliveries one consumer handles at once, apart from those that it handles together. */
export const RELAY_CONCURRENCY = 8;
/**
 * While fewer deliveries of a consumer than these are under way, new ones are claimed at once: at little load nobody
 * waits. Past it they are gathered, and a claim, a transaction and a note of its outcome serve several.
 */
export const RELAY_OVERLAP = 4;
/** Transactions at once of one handler of many. */
export const EVENTS_LANES = 2;
/** Events that a handler of many gets at once: as many as are claimed at once; its transaction takes milliseconds. */
export const EVENTS_TOGETHER = 100;
/** Outcomes written down at once; those of two consumers, whose events were claimed at the same time, fit in. */
export const OUTCOMES_TOGETHER = 200;
/** A relay looks for due rows by itself this often; commits wake it sooner. */
export const RELAY_POLL_MS = 1_000;
/** A handler gets this long before another worker may take its delivery. */
export const DELIVERY_LEASE_MS = 30_000;
/** Tries before a delivery is parked: with the backoff below, about five minutes of trying. */
export const DELIVERY_ATTEMPTS = 10;
/**
 * A handler that could not reach what it needs is tried this long, with the longest wait between tries, before its
 * event is parked: an outage is no fault of the event, and operators would have to retry each one by hand.
 */
export const DELIVERY_PATIENCE_HOURS = 24;
export const DELIVERY_BACKOFF_MS = 500;
export const DELIVERY_BACKOFF_MAX_MS = 60_000;
/** Delivered events stay for audits and replays, then go. */
export const OUTBOX_KEEP_DAYS = 30;
/** Longer than the outbox keeps an event, so that no kept event can be handled twice. */
export const INBOX_KEEP_DAYS = 60;

/**
 * A saga in progress holds its lease this long after its driver's last sign of life, which comes three times as
 * often; then the sweeper, or the client's repeat, takes over. So long an order stands still when its process dies.
 */
export const SAGA_LEASE_MS = 6_000;
/** Unknown outcomes are tried forward this long, then the saga compensates (docs/api.md). */
export const SAGA_FORWARD_MS = 60_000;
export const SAGA_BACKOFF_MS = 200;
export const SAGA_BACKOFF_MAX_MS = 10_000;
export const SAGA_SWEEP_MS = 500;
/** Sagas one sweep resumes; bounds the work of one tick. */
export const SAGA_SWEEP_BATCH = 50;

export const JOB_LEASE_MS = 30_000;
export const JOB_POLL_MS = 1_000;
export const JOB_ATTEMPTS = 5;
/** Line errors kept of one job; more would not help whoever mends the file. */
export const JOB_ERRORS = 1_000;

/** Old keys, events and journals are looked for this often. */
export const CLEAN_UP_EVERY_MS = 60_000;
/** Rows that one statement of a clean-up deletes; short statements keep out of the way of orders. */
export const CLEAN_UP_BATCH = 1_000;
/** Ended sagas stay this long for whoever asks what happened to an order. */
export const SAGA_KEEP_DAYS = 30;

/** Between two looks of an audit at what seemed broken. */
export const AUDIT_LOOKS_MS = 5_000;

/** How long a stopping process waits for requests and handlers in flight. */
export const STOP_TIMEOUT_MS = 10_000;
/** After this a part that does not stop is given up; more than STOP_TIMEOUT_MS, so that it can end by itself. */
export const PART_STOP_TIMEOUT_MS = 12_000;

/** After everything was stopped a process ends by itself at once; what keeps it longer is not worth waiting for. */
export const EXIT_GRACE_MS = 1_000;
/** At its end a process gives a collector so long to take the last traces: whoever replaces it waits for no diagram. */
export const TRACES_FLUSH_MS = 3_000;

/** A repeat waits this long for a first request whose client has gone away, then is told that it still runs. */
export const REPEAT_WAIT_MS = 30_000;
/** The edge answers 503 after this long: the deadline that calls get, and a little for what ends at it. */
export const ANSWER_TIMEOUT_MS = CALL_TIMEOUT_MS + 5_000;
/** A client told to come back because the process is busy finds room again about this soon. */
export const OVERLOAD_RETRY_SECONDS = 1;
/** Rate limits count requests in windows of this length (docs/api.md: requests a minute). */
export const RATE_WINDOW_SECONDS = 60;
/** Shorter answers fit in one packet anyhow, and are sent as they are. */
export const COMPRESS_BYTES = 1024;
/** Wrong members named in one answer; more would not help whoever mends the request. */
export const REQUEST_ERRORS = 50;
/** Verification keys are read anew after this long; a new key must be published longer before it signs. */
export const KEYS_FRESH_MS = 60_000;
/** While they cannot be read, known keys serve this long, so that a short outage logs nobody out. */
export const KEYS_STALE_MS = 600_000;
/** Tokens that name unknown keys make us read the keys at most this often, so that forgeries cost little. */
export const KEYS_REFRESH_MS = 5_000;
/** Access tokens known to be good, of about 500 bytes each; of more users at once some are verified anew. */
export const ACCESS_TOKEN_CACHE = 10_000;
/** An idle connection is kept longer than load balancers keep theirs, so that they close first. */
export const KEEP_ALIVE_MS = 65_000;
/** Files of a new certificate are looked for this often: two small reads, and soon enough for one that lives for days. */
export const TLS_CHECK_MS = 10_000;
/** A certificate is renewed weeks before its end; one that has less left was forgotten. */
export const TLS_WARN_MS = 7 * 24 * 60 * 60_000;
/** Requests at once on one HTTP/2 connection, as most servers have it; browsers and proxies queue the rest. */
export const HTTP2_STREAMS = 100;
/** Requests that one HTTP/2 connection may take back at once: all of them, twice. */
export const HTTP2_RESET_BURST = 2 * HTTP2_STREAMS;
/** And in each second after that; a connection that takes back more is ended, as each costs us work. */
export const HTTP2_RESET_RATE = 33;
/** A connection that has said nothing when its port closes gets this long: what was sent before has come by then. */
export const SILENT_CLOSE_MS = 1_000;
/** A health check that takes longer counts as failed. */
export const HEALTH_TIMEOUT_MS = 2_000;

/** Statements or transactions waiting for one of a module's connections; at some ms each they wait for seconds. */
export const POOL_QUEUE = 500;
/** Longer than this nobody waits for a connection: the caller has better uses for the rest of its 30 s. */
export const POOL_WAIT_MS = 5_000;
/** Then a closing pool cuts off who still uses a connection; with ROLLBACK_DEADLINE_MS within PART_STOP_TIMEOUT_MS. */
export const POOL_CLOSE_MS = 9_000;
/** A session that prepared more texts than this is renewed; the shop has about 150, lists of filters some more. */
export const SESSION_STATEMENTS = 1_000;
/** From dialling to the first "ready"; a server that is there takes some ms. */
export const CONNECT_TIMEOUT_MS = 5_000;
/** Set for each login: a statement that takes longer has lost its caller. */
export const STATEMENT_TIMEOUT_MS = 20_000;
/** Set for each login: whoever holds a lock that long is stuck, and so would be those who wait for it. */
export const LOCK_TIMEOUT_MS = 10_000;
/**
 * Set for each login: frees the locks of a process that stopped inside a transaction. Ours call nobody, so a session
 * that idles in one for this long has no living process behind it, and others wait for its locks.
 */
export const IDLE_IN_TRANSACTION_TIMEOUT_MS = 5_000;
/** Our own deadline, for a server that does not even say that its timeouts have passed. */
export const QUERY_DEADLINE_MS = STATEMENT_TIMEOUT_MS + 5_000;
/** A transaction with all its statements; the edge answers by ANSWER_TIMEOUT_MS. */
export const TRANSACTION_DEADLINE_MS = 30_000;
/** A rollback, or the end of a session, that takes longer has no server behind it. */
export const ROLLBACK_DEADLINE_MS = 2_000;
/** Connections are renewed after this long, so that changed settings of a login reach all of them. */
export const CONNECTION_LIFE_MS = 30 * 60_000;
/** Migrations may rewrite large tables. */
export const MIGRATION_DEADLINE_MS = 60 * 60_000;
/** For a table that others hold. Everybody behind a migration waits as long for that table, and requests have 30 s. */
export const MIGRATION_LOCK_MS = 5_000;

/**
 * A stopped Redis accepts connections and never answers. A request notices that once at most, and must still end
 * well within two seconds; a healthy Redis answers in a few milliseconds even on a busy machine.
 */
export const REDIS_TIMEOUT_MS = 500;
/** Redis is asked this often whether it is there, so its return is seen about this soon. */
export const REDIS_PING_MS = 500;
/** Tries to connect go on for ever at this distance at most; with the ping, a return shows within two seconds. */
export const REDIS_RETRY_MAX_MS = 1_000;
/** Of one try to connect; a host that is gone answers nothing at all. */
export const REDIS_CONNECT_TIMEOUT_MS = 2_000;
/** A socket that was written to and says nothing for this long is replaced: its other end may be gone for good. */
export const REDIS_SILENCE_MS = 5_000;
/** Idle sockets are probed after this long, before routers forget them. */
export const REDIS_KEEP_ALIVE_MS = 10_000;
/** A broadcast is a hint with a few ids in it; whatever is larger is not ours. */
export const BROADCAST_BYTES = 65_536;

/** A worker that lived this long had started well; one takes about 2 s to be ready. */
export const WORKER_STEADY_MS = 10_000;
/** Before a worker that died early for the second time in a row is replaced; doubles from death to death. */
export const WORKER_RESTART_MS = 500;
/** A fault that passes, as a database that is away, is over for the shop this soon after. */
export const WORKER_RESTART_MAX_MS = 10_000;
/** Two ports of STOP_TIMEOUT_MS and a part of PART_STOP_TIMEOUT_MS one after another, and a little; then SIGKILL. */
export const WORKER_STOP_TIMEOUT_MS = 40_000;
/** What a stalled worker has measured is left out of a scrape after this long; Prometheus waits for 10 s. */
export const METRICS_TIMEOUT_MS = 2_000;
/** A scraped worker waits this long for the primary's answer. */
export const METRICS_ANSWER_MS = METRICS_TIMEOUT_MS + 1_000;

/** A schedule that runs more often only looks for work, and finds none most times: what it finds is traced, not the look. */
export const SCHEDULE_TRACED_MS = 60_000;

/**
 * Jobs of one module's queue that one process works on at once: as many events are handled together at most. Each of
 * the others holds a database connection now and then, or waits for one for some milliseconds.
 */
export const QUEUE_CONCURRENCY = 32;
/** A job whose worker is not heard of for this long is given to another one. */
export const QUEUE_LOCK_MS = 30_000;
/** How often a job may lose its worker; the tries that count are in Postgres, so this only bounds madness. */
export const QUEUE_STALLS = 100;
/** A worker that is told to stop waits this long for its jobs; what is cut off is done again by another. */
export const QUEUE_STOP_MS = 8_000;
/** Schedules are written into Redis anew this often, in case it was emptied. */
export const QUEUE_RENEW_MS = 30_000;
/** With Redis to wake it, a worker looks at its schedules by itself only every so many of their periods. */
export const SCHEDULE_LOOKS = 4;
/** Schedules of a shorter period are not woken by Redis: looking is cheaper than being told. */
export const SCHEDULE_WAKE_MS = 1_000;
/** A schedule counts as due this share of its period early, so that being woken on the minute never skips one. */
export const SCHEDULE_EARLY = 0.1;

/** Deliveries of one consumer on their way at once, in this process and in Redis: a slow consumer cannot fill it. */
export const RELAY_LEASED = 500;
/** A delivery that could be handed to nobody is offered again after this. */
export const DELIVERY_REOFFER_MS = 1_000;
/** Hints to the workers of other processes are sent at most this often; a hint tells no more than "look". */
export const RELAY_HINT_MS = 5;

/** A call between processes proves where it comes from by a token of this age at most. */
export const SERVICE_TOKEN_SECONDS = 60;
/** How far the clocks of two machines may be apart. */
export const SERVICE_TOKEN_SKEW_SECONDS = 60;
/** A token is used again, and believed unchecked, this long; with the rest of its minute left for its way. */
export const SERVICE_TOKEN_FRESH_MS = 30_000;
/** Tokens kept, of about 300 bytes each. */
export const SERVICE_TOKEN_CACHE = 5_000;
/** Modules call each other in a chain of three at most, as needs have no cycle; more is a bug that would not end. */
export const CALL_DEPTH = 8;
/** Processes of two versions answer by turns while they are replaced; that counts as over after this long without. */
export const SKEW_KEEP_MS = 30_000;
/** One call's input; that of an order of 2,000 lines is 0.2 MB. */
export const CALL_BYTES = 8 * 1024 * 1024;
/** One call's answer; 2,000 products with all their variants are some MB. */
export const CALL_ANSWER_BYTES = 64 * 1024 * 1024;
/** A forwarded request ends at its own process by ANSWER_TIMEOUT_MS; a little later the edge answers for it. */
export const FORWARD_GRACE_MS = 6_000;

/** Connections to one process of a peer; more than it works on at once only queue there. */
export const PEER_CONNECTIONS = 128;
/** Calls at once on the one HTTP/2 connection to a peer, and taken there: as many as PEER_IN_FLIGHT. */
export const PEER_STREAMS = 1_000;
/** Processes of one shop are near each other: one that has not taken a connection by then is not there. */
export const PEER_CONNECT_TIMEOUT_MS = 1_000;
/** Idle connections to peers are closed before the peer closes them (KEEP_ALIVE_MS). */
export const PEER_KEEP_ALIVE_MS = 30_000;
/** An answer that was begun and goes on with nothing for this long breaks off: the shop writes its answers in one go. */
export const PEER_BODY_IDLE_MS = 30_000;
/** A peer that owes an answer for longer is asked whether it lives; most calls take some milliseconds. */
export const PEER_STALL_MS = 1_000;
/** The event loop of a process under full load turns much faster than this. */
export const PEER_PROBE_TIMEOUT_MS = 3_000;
/** While a peer is down it is asked this often, so its return is seen about this soon. */
export const PEER_PROBE_EVERY_MS = 1_000;
/** An address that failed is left out for this long; doubles from failure to failure. */
export const PEER_EJECT_MS = 1_000;
export const PEER_EJECT_MAX_MS = 8_000;
/** Requests to one module at once, whatever others wait for; as many as a process answers (REQUESTS_IN_FLIGHT). */
export const PEER_IN_FLIGHT = 1_000;
/** Requests that wait for one of those; past it a caller is better served by 503. */
export const PEER_QUEUE = 500;
/** Failures in a row after which a module counts as down and nobody waits for it. */
export const PEER_FAILURES = 5;
/** Tries of one request, on different addresses where there are several. */
export const PEER_TRIES = 3;
export const PEER_RETRY_MS = 50;
export const PEER_RETRY_MAX_MS = 500;
/** Names are looked up again this often, and after each failure. */
export const PEER_RESOLVE_MS = 10_000;
/** Requests to peers that are still open when the process stops are cut off after this. */
export const PEER_CLOSE_MS = 5_000;
/** Answers up to this length are read from a peer before they are handed on; the longest list of products has about 1.5 MB. */
export const FORWARD_WHOLE_BYTES = 4 * 1024 * 1024;

/** Loops and pools are looked at this often, whether they get anything done. */
export const PROGRESS_LOOK_MS = 1_000;
/**
 * A loop that got nothing done for this long is stuck, and the process not ready. Its longest honest turn is a call of
 * CALL_TIMEOUT_MS with what is written before and after it, POOL_WAIT_MS and TRANSACTION_DEADLINE_MS each: 100 s.
 */
export const LOOP_STUCK_MS = 180_000;

/** A backup that nobody takes further for this long ends: while it is made, the database's log grows. */
export const BACKUP_PATIENCE_MS = 60_000;

/** A line of the log waits this long for others to be written with; a process that is killed loses those. */
export const LOG_GATHER_MS = 100;
/** Lines written at once: as much as a pipe takes whole (PIPE_BUF), so that processes that share one mix no lines. */
export const LOG_WRITE_BYTES = 4096;
/** While standard output takes nothing, as on a full disk, so much waits, some 3,000 lines; later ones are dropped. */
export const LOG_KEEP_BYTES = 1024 ** 2;

/** Random bytes fetched from the system at once, for the ids of some 170 traces. */
export const RANDOM_POOL_BYTES = 4096;

/** What a scrape reads of the database, of Redis and of the disk is kept this long, however many scrape. */
export const METRICS_READ_EVERY_MS = 5_000;
/** A scrape waits no longer for them; less than METRICS_TIMEOUT_MS, or the whole worker would be left out. */
export const METRICS_READ_TIMEOUT_MS = 1_000;
/** A read that took longer is for the next scrape, which comes within that; older figures are not told. */
export const METRICS_READ_KEEP_MS = 30_000;

/**
 * V8 collects all garbage once the heap is by this much larger than what lived the last time. Left to itself, on a
 * machine with memory to spare, it waits until the heap is four times as large: 40 MB more, for no less work.
 */
export const HEAP_GROWTH_PERCENT = 50;
