/** Every limit of the module, with its reason. Lines and quantities are bounded by product's contract. */

/** How long an unpaid order keeps its stock (docs/api.md). */
export const UNPAID_WINDOW_MS = 15 * 60_000;
/**
 * Reservations of unpaid orders outlive the window by this, so that stock never expires under an order that
 * still waits for its cancellation; and the audit calls an order stuck only after it.
 */
export const UNPAID_GRACE_MS = 10 * 60_000;
/** A minute's delay in cancelling does no harm within the grace, and costs one index probe. */
export const UNPAID_SWEEP_MS = 10_000;
/** Orders one sweep cancels; the rest follow at the next. */
export const UNPAID_SWEEP_BATCH = 100;

/** How long a request waits for its saga unless `Prefer: wait` says otherwise (docs/api.md). */
export const DEFAULT_WAIT_MS = 5_000;
export const MAX_WAIT_S = 30;
/** Between looks at an order that another change holds, so that waiting never becomes hammering. */
export const BUSY_PAUSE_MS = 20;

/** A saga may need this long beyond its deadline to compensate before the audit calls it stuck. */
export const SAGA_GRACE_MS = 60_000;

/** Orders that one statement reads, or numbers; also what payment's queries take. */
export const BATCH = 500;

export const REASON_LENGTH = 500;
export const TRACKING_LENGTH = 100;
/** Addresses differ by country; twenty short members hold any of them. */
export const ADDRESS_MEMBERS = 20;
export const ADDRESS_MEMBER_LENGTH = 200;
