/** A provider that has not answered by then counts as silent; its calls usually take a few hundred ms. */
export const PROVIDER_TIMEOUT_MS = 2_000;
/** Tries within one charge, for a provider that answers with errors: more would outlast the buyer's patience. */
export const CHARGE_ATTEMPTS = 4;
/** Between those tries. */
export const CHARGE_BACKOFF_MS = 100;
export const CHARGE_BACKOFF_MAX_MS = 300;

/** A new charge is left to its caller this long, more than its tries can take, before the sweeper asks. */
export const PENDING_CHECK_MS = 15_000;
/** An authorization is left to the provider's webhook this long before the sweeper asks. */
export const AUTHORIZED_CHECK_MS = 60_000;
/** A reversal or a staff member's request drives a new refund itself; the sweeper takes over after this. */
export const REFUND_CHECK_MS = 10_000;
/** What could not be settled is asked again after 5 s, doubling up to 5 minutes. */
export const RECHECK_BASE_MS = 5_000;
export const RECHECK_MAX_MS = 300_000;
/** A charge the provider never heard of is given up after this: ten times as long as an order is tried forward. */
export const ABANDON_MS = 600_000;
export const SWEEP_MS = 1_000;
/** Rows one sweep takes: bounds the work of one tick. */
export const SWEEP_BATCH = 50;
/** Provider calls of one sweep at once: a recovering provider is not hit by everything that waited for it. */
export const SWEEP_CONCURRENCY = 4;

/** Providers' events are a few hundred bytes. */
export const WEBHOOK_BYTES = 64 * 1024;
/** How old or how far ahead a webhook's signature may be (docs/api.md). */
export const SIGNATURE_TOLERANCE_SECONDS = 300;
/** Providers repeat an event for days at most; after that only the payment's own state refuses a repeat. */
export const WEBHOOK_EVENT_KEEP_DAYS = 30;
export const CLEANUP_MS = 3_600_000;

export const REFUND_REASON_LENGTH = 500;
/** Rows the audit reads at once. */
export const AUDIT_PAGE = 500;

/** The sandbox: errors of `tok_flaky` before it succeeds. */
export const SANDBOX_FLAKY_ERRORS = 2;
/** The sandbox: from the authorization of `tok_later` to its capture. */
export const SANDBOX_LATER_MS = 1_500;
export const SANDBOX_WEBHOOK_POLL_MS = 250;
export const SANDBOX_WEBHOOK_BATCH = 20;
/** A webhook that was not taken is sent again after 1 s, doubling up to a minute, until it is. */
export const SANDBOX_WEBHOOK_BACKOFF_MS = 1_000;
export const SANDBOX_WEBHOOK_BACKOFF_MAX_MS = 60_000;
/** One delivery; shorter than the lease that the first backoff gives, for several senders at once. */
export const SANDBOX_WEBHOOK_TIMEOUT_MS = 2_000;
