import {
  PEER_BODY_IDLE_MS,
  PEER_CLOSE_MS,
  PEER_CONNECT_TIMEOUT_MS,
  PEER_CONNECTIONS,
  PEER_EJECT_MAX_MS,
  PEER_EJECT_MS,
  PEER_FAILURES,
  PEER_IN_FLIGHT,
  PEER_KEEP_ALIVE_MS,
  PEER_PROBE_EVERY_MS,
  PEER_PROBE_TIMEOUT_MS,
  PEER_QUEUE,
  PEER_RESOLVE_MS,
  PEER_RETRY_MAX_MS,
  PEER_RETRY_MS,
  PEER_STALL_MS,
  PEER_STREAMS,
  PEER_TRIES,
} from '../limits.ts';

/** How patient a process is with its peers. Tests have less patience. */
export interface PeerLimits {
  readonly connections: number;
  readonly streams: number;
  readonly connectTimeoutMs: number;
  readonly keepAliveMs: number;
  readonly bodyIdleMs: number;
  readonly stallMs: number;
  readonly probeTimeoutMs: number;
  readonly probeEveryMs: number;
  readonly ejectMs: number;
  readonly ejectMaxMs: number;
  readonly inFlight: number;
  readonly queue: number;
  readonly failures: number;
  readonly tries: number;
  readonly retryMs: number;
  readonly retryMaxMs: number;
  readonly resolveMs: number;
  readonly closeMs: number;
}

export const peerLimits: PeerLimits = {
  connections: PEER_CONNECTIONS,
  streams: PEER_STREAMS,
  connectTimeoutMs: PEER_CONNECT_TIMEOUT_MS,
  keepAliveMs: PEER_KEEP_ALIVE_MS,
  bodyIdleMs: PEER_BODY_IDLE_MS,
  stallMs: PEER_STALL_MS,
  probeTimeoutMs: PEER_PROBE_TIMEOUT_MS,
  probeEveryMs: PEER_PROBE_EVERY_MS,
  ejectMs: PEER_EJECT_MS,
  ejectMaxMs: PEER_EJECT_MAX_MS,
  inFlight: PEER_IN_FLIGHT,
  queue: PEER_QUEUE,
  failures: PEER_FAILURES,
  tries: PEER_TRIES,
  retryMs: PEER_RETRY_MS,
  retryMaxMs: PEER_RETRY_MAX_MS,
  resolveMs: PEER_RESOLVE_MS,
  closeMs: PEER_CLOSE_MS,
};
