/** Every limit of the product module, with its reason. */

import { MAX_LINES } from './contract.ts';

export const NAME_LENGTH = 255;
/** Enough for a page of text; the search index of one product stays far below Postgres's 1 MiB. */
export const DESCRIPTION_LENGTH = 10_000;
export const CATEGORY_LENGTH = 100;
export const SLUG_LENGTH = 160;
/** A product is read and locked with all its variants. */
export const VARIANTS_PER_PRODUCT = 100;
/** More currencies than this need a pricing system of their own. */
export const PRICES_PER_VARIANT = 50;
export const OPTIONS_PER_VARIANT = 20;
export const OPTION_LENGTH = 100;

/** Pieces of one variant; sums over a whole shop stay below 2^53. */
export const MAX_ON_HAND = 1_000_000_000_000;
/** One stock movement; a larger one is a typing mistake. */
export const MAX_DELTA = 1_000_000_000;
export const REASON_LENGTH = 255;

/** Skus or ids that one list request may name: a full page. */
export const LIST_FILTER_VALUES = 100;
export const SEARCH_LENGTH = 200;
/**
 * Products that a list looks at in its order before it collects what its filter finds: 2 ms. Of 100,000 products a
 * filter then finds some 400, of a million some 4,000, if it finds them evenly.
 */
export const LIST_WALK = 5_000;

/** Lines of the orders that are reserved in one transaction: as many as the largest order has, which goes alone. */
export const RESERVE_LINES = MAX_LINES;
/** Such transactions at once: while one waits for another process, as for a sku's lock, a second goes on. */
export const RESERVE_LANES = 2;
/** Lines of the quotes that are looked up in one statement: as many as the largest quote has, which goes alone. */
export const QUOTE_LINES = MAX_LINES;
/** Products read in one statement, each with all its variants: a full page of a list. */
export const READ_TOGETHER = 100;
/** Such statements at once of each kind: should one be slow, others that come later pass it. */
export const READ_LANES = 2;
/** How often expired reservations are looked for; their deadline is in minutes. */
export const EXPIRY_SWEEP_MS = 5_000;
/** Reservations closed in one transaction; bounds how long their stock rows stay locked. */
export const EXPIRY_BATCH = 100;
/** A reservation this far past its expiry was forgotten by every sweep. */
export const EXPIRY_GRACE_SECONDS = 120;

/** Rows of a file staged in one statement. */
export const STAGE_BATCH = 1_000;
/** Rows of a file applied in one transaction: short enough for others to get in between. */
export const APPLY_BATCH = 200;
/** A row of a file; longer means that a quote was never closed. */
export const ROW_LENGTH = 65_536;
/** Staged rows without a job belong to an upload that broke off; requests end within half a minute. */
export const UNREADY_IMPORT_HOURS = 1;
/** Staged rows of a job that failed for good are kept this long for whoever looks into it. */
export const READY_IMPORT_DAYS = 7;
export const IMPORT_SWEEP_MS = 600_000;

/** Variants checked by one statement of the audit. */
export const AUDIT_BATCH = 5_000;

/** A product is read from the cache for this long at most, whatever happens to the messages that say it changed. */
export const PRODUCT_FRESH_MS = 1_000;
/** More products than a process reads twice within that time; some megabytes, 100 MB if each had 100 variants. */
export const CACHED_PRODUCTS = 2_000;
/** Changed products named in one message, 4 kB of ids; after more than that the cache starts afresh. */
export const CHANGES_PER_MESSAGE = 100;
/** Between two messages: a hundredth of what may be stale without any, and no more than 100 messages a second. */
export const CHANGES_PAUSE_MS = 10;
