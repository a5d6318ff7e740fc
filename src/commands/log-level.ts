import { type Logger, setLogLevel } from '../telemetry/log.ts';

/** What SIGUSR2 turns on: what happens inside, without every statement. */
const DETAIL = 'debug';

/**
 * Lets SIGUSR2 turn a detailed log on, and off again, while the process runs: by a signal, since a process in
 * trouble may answer no request, and whoever may send one may read the log anyway.
 */
export function listenForLogLevel(log: Logger, level: string): void {
  let isDetailed = false;
  process.on('SIGUSR2', () => {
    isDetailed = !isDetailed;
    const now = isDetailed ? DETAIL : level;
    // Told at a level that shows either way.
    setLogLevel(log, DETAIL);
    log.warn({ logLevel: now }, 'SIGUSR2: the log level has changed');
    setLogLevel(log, now);
  });
}
