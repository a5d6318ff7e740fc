/** Every limit of the notification module, with its reason. */

/** Mails claimed at once; bounds what a crash leaves leased, and fits one call for the recipients. */
export const MAIL_BATCH = 32;
/** Connections to the mail server at once; small servers refuse more of one client. */
export const MAILS_AT_ONCE = 4;
/** A sender looks for due mail by itself this often; a new mail wakes it sooner. */
export const MAIL_POLL_MS = 1_000;

export const SMTP_CONNECT_TIMEOUT_MS = 10_000;
/** RFC 5321 lets servers take minutes, but then somebody else's mail has to wait. */
export const SMTP_SOCKET_TIMEOUT_MS = 20_000;
/** One mail, from connecting to the server's last word. */
export const SEND_TIMEOUT_MS = 45_000;
/** How long others leave claimed mail alone after its sender's last sign of life, which comes three times as often. */
export const MAIL_LEASE_MS = 30_000;

/** Tries before a mail is given up. With the waits below that is a bit more than a day and a half. */
export const MAIL_ATTEMPTS = 48;
export const MAIL_BACKOFF_MS = 1_000;
export const MAIL_BACKOFF_MAX_MS = 60 * 60 * 1000;

/** Mail that another module's absence holds up is looked at again after this; it is no try, so it costs none. */
export const MAIL_OUTAGE_WAIT_MS = 5_000;

/** Lines of an order that its mail lists; longer ones are cut by mail programs at about 100 kB anyway. */
export const MAIL_LINES = 200;

/** Longer than the inbox remembers an event, so that the audit can hold one against the other. */
export const MAIL_KEEP_DAYS = 90;
export const CLEAN_UP_MS = 60 * 60 * 1000;
/** Rows that one statement of a clean-up deletes; bounds its locks. */
export const CLEAN_UP_BATCH = 5_000;
