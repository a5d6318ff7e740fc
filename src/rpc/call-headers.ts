/** Headers of calls and forwarded requests between processes, on the operations port. */

/** The hash of the call as the sender knows it; see `contract-shape.ts`. Sent with each answer too. */
export const CONTRACT_HEADER = 'banyan-contract';
/** What is left of the caller's deadline, in whole milliseconds. */
export const TIMEOUT_HEADER = 'banyan-timeout-ms';
/** How many calls led to this one, which counts itself where it runs. */
export const DEPTH_HEADER = 'banyan-call-depth';
/** The service token of a forwarded request, whose `Authorization` is the user's own. */
export const SERVICE_TOKEN_HEADER = 'banyan-service-token';
/** The address of the client, as the edge knows it. */
export const CLIENT_ADDRESS_HEADER = 'banyan-client-address';
/** Why nothing was done with a request: another process may take it. */
export const PEER_HEADER = 'banyan-peer';
/** The value of PEER_HEADER of a process that does not host the module. */
export const NOT_HOSTED = 'not-hosted';
