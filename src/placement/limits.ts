/** As many as WORKERS may be; more of one process is a matter for an orchestrator. */
export const MAX_REPLICAS = 64;

/**
 * One small call between two processes, with its token, its parsing and the way between two machines of one data
 * centre. On one machine 0.1 ms for the bare request (undici) and up to 0.5 for the whole call, measured in 2026-11.
 */
export const CALL_ROUND_TRIP_MS = 0.5;
/**
 * Writing, carrying and parsing what a call transports: a line of 1 Gbit/s takes 125,000 bytes in a millisecond, and
 * an answer of 200,000 bytes took 3 ms longer than in one process, on a busy machine of 2 cores in 2026-11.
 */
export const CALL_BYTES_PER_MS = 70_000;
/** An order makes three calls of product and one of payment; what makes more than this asks for rows one by one. */
export const MAX_CALLS_PER_REQUEST = 5;
/** A placed order takes some tens of milliseconds; a split that adds as much again is felt. */
export const MAX_ADDED_MS = 20;
