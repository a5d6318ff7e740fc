import { createRedis, type Redis } from '../redis/redis.ts';
import { createLogger, type Logger } from '../telemetry/log.ts';

/** A process's link to Redis, with what it logs. */
export interface TestLink {
  readonly redis: Redis;
  readonly log: Logger;
  /** The log's lines, parsed. */
  readonly logged: Record<string, unknown>[];
}

/** Links to the Redis at `url`, which need not be there. Close the link when done. */
export function linkRedis(url: string): TestLink {
  const logged: Record<string, unknown>[] = [];
  const destination = { write: (line: string) => void logged.push(JSON.parse(line)) };
  const log = createLogger({ level: 'info', destination });
  return { redis: createRedis(url, log), log, logged };
}
