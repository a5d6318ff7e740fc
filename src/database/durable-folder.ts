import { chmodSync, fdatasyncSync, mkdirSync } from 'node:fs';
import { PGlite } from '@electric-sql/pglite';
import { NodeFS } from '@electric-sql/pglite/nodefs';

/** The one member of an open file that flushing needs; part of PGlite's inside, so the version is pinned. */
interface OpenFile {
  readonly nfd: number;
}

interface FileSystemModule {
  NODEFS: { stream_ops: { fsync?: (file: OpenFile) => number } };
}

/**
 * A database folder whose commits reach the disk. PGlite runs Postgres with fsync off and its file system has no
 * flush at all, so an acknowledged order would be lost with the power. Here the folder's files get one, and
 * `durableStartParams` make Postgres use it: one flush per commit.
 */
export class DurableFolder extends NodeFS {
  readonly #flush: (fd: number) => void;

  constructor(folder: string, flush: (fd: number) => void = fdatasyncSync) {
    super(folder);
    // PGlite lets everybody on the machine read and write its files, so nobody else may reach them.
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    chmodSync(folder, 0o700);
    this.#flush = flush;
  }

  override async init(pg: PGlite, options: Parameters<NodeFS['init']>[1]) {
    const prepared = await super.init(pg, options);
    const addFlush = (module: unknown) => {
      (module as FileSystemModule).NODEFS.stream_ops.fsync = (file) => {
        this.#flush(file.nfd);
        return 0;
      };
    };
    const { emscriptenOpts } = prepared;
    const preRun = emscriptenOpts.preRun ?? [];
    emscriptenOpts.preRun = [...(Array.isArray(preRun) ? preRun : [preRun]), addFlush];
    return prepared;
  }
}

/** PGlite's own parameters without `-F`, which would switch fsync off; `fdatasync` has no counterpart in its files. */
export const durableStartParams = [
  ...PGlite.defaultStartParams.filter((parameter) => parameter !== '-F'),
  '-c',
  'wal_sync_method=fsync',
];
