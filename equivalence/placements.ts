import { readdirSync } from 'node:fs';
import { join } from 'node:path';

/** Every committed placement, by name; all of them are held against the first. */
export const placements: readonly string[] = [
  'monolith',
  ...readdirSync(join(import.meta.dirname, '../deploy/placements'))
    .map((file) => file.replace(/\.yaml$/, ''))
    .filter((name) => name !== 'monolith'),
];

/** The placement `split` with every call between its processes as gRPC. */
export const splitOverGrpc = 'split-over-grpc';
