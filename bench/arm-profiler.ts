import { writeFileSync } from 'node:fs';
import { Session } from 'node:inspector/promises';
import { join } from 'node:path';

/**
 * Loaded into a process before it starts, by `NODE_OPTIONS=--import`: SIGUSR2 begins a CPU profile, the next SIGUSR2
 * writes it. So a profile holds a load alone, and neither the start nor the filling of the catalogue.
 */
const { BENCH_PROFILE_FOLDER = '.', BENCH_PROFILE_NAME = 'process' } = process.env;
/** Microseconds between two samples. */
const INTERVAL_US = 500;
let session: Session | undefined;
let count = 0;

process.on('SIGUSR2', async () => {
  if (session === undefined) {
    session = new Session();
    session.connect();
    await session.post('Profiler.enable');
    await session.post('Profiler.setSamplingInterval', { interval: INTERVAL_US });
    await session.post('Profiler.start');
    return;
  }
  const { profile } = await session.post('Profiler.stop');
  session.disconnect();
  session = undefined;
  count += 1;
  const name = `${BENCH_PROFILE_NAME}-${process.pid}-${count}.cpuprofile`;
  writeFileSync(join(BENCH_PROFILE_FOLDER, name), JSON.stringify(profile));
});
