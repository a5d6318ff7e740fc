/** As many as WORKERS may be; more of one process is a matter for an orchestrator. */
export const MAX_REPLICAS = 64;
