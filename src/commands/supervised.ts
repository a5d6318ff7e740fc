import { isWorker } from './worker-process.ts';

/** Whether `banyan up` runs this process: it alone says when the process ends, and presents it. */
export const isSupervised = process.channel !== undefined && !isWorker;

/** Ends this process at once when `banyan up` has died, so that no port stays taken. Databases are used to that. */
export function endWithSupervisor(): void {
  if (!isSupervised) return;
  process.once('disconnect', () => process.exit(1));
  // Listening for its end would keep this process alive for ever.
  process.channel?.unref();
}
