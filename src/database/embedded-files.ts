import type { PGliteOptions } from '@electric-sql/pglite';
import { readAsset } from '../assets.ts';

declare global {
  namespace WebAssembly {
    /** Node's types leave it out. */
    function compile(bytes: Uint8Array): Promise<Module>;
  }
}

/** PGlite's own files, which it would otherwise look for beside its code, where a build has none. */
type EmbeddedFiles = Required<Pick<PGliteOptions, 'pgliteWasmModule' | 'initdbWasmModule' | 'fsBundle'>>;

/** Postgres and its initdb, compiled once for all databases of this process. */
let programs: Promise<readonly [WebAssembly.Module, WebAssembly.Module]> | undefined;

export async function embeddedFiles(): Promise<EmbeddedFiles> {
  programs ??= Promise.all([
    WebAssembly.compile(readAsset('pglite/pglite.wasm')),
    WebAssembly.compile(readAsset('pglite/initdb.wasm')),
  ]);
  const [pgliteWasmModule, initdbWasmModule] = await programs;
  return { pgliteWasmModule, initdbWasmModule, fsBundle: new Blob([readAsset('pglite/pglite.data')]) };
}
