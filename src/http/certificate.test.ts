import { X509Certificate } from 'node:crypto';
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Registry } from 'prom-client';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { sleep } from '../deadline.ts';
import { createLogger } from '../telemetry/log.ts';
import { makeCertificate, type TestCertificate } from '../testing/certificate.ts';
import { certificateProblems, readCertificate, type TlsFiles } from './certificate.ts';
import { type CertificateSource, createCertificateSource } from './certificate-watch.ts';

let folder: string;
let one: TestCertificate;
let other: TestCertificate;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'banyan-certificate-'));
  one = makeCertificate(folder, 'one');
  other = makeCertificate(folder, 'other');
});

afterAll(() => rmSync(folder, { recursive: true }));

describe('a certificate', () => {
  it('is read with its key and its end', () => {
    const read = readCertificate(one);
    expect(read.cert).toBe(one.pem);
    expect(read.key).toContain('PRIVATE KEY');
    expect(read.endsAt.getTime()).toBeGreaterThan(Date.now());
    expect(certificateProblems(one)).toEqual([]);
    expect(certificateProblems(undefined)).toEqual([]);
  });

  it('that is missing, or no PEM, is a problem with the setting that names it, all at once', () => {
    const missing = join(folder, 'missing');
    const text = join(folder, 'text');
    writeFileSync(text, 'hello');
    expect(certificateProblems({ certFile: missing, keyFile: text })).toEqual([
      `TLS_CERT: ${missing} cannot be read (ENOENT)`,
      `TLS_KEY: ${text} holds no private key in PEM without a passphrase`,
    ]);
    expect(certificateProblems({ certFile: text, keyFile: missing })).toEqual([
      `TLS_KEY: ${missing} cannot be read (ENOENT)`,
      `TLS_CERT: ${text} holds no certificate in PEM`,
    ]);
  });

  it('with the key of another one is a problem', () => {
    expect(certificateProblems({ certFile: one.certFile, keyFile: other.keyFile })).toEqual([
      `TLS_KEY: ${other.keyFile} is not the key of the certificate in ${one.certFile}`,
    ]);
  });

  it('whose chain is written by half is a problem, since a server could not take it', () => {
    const torn = join(folder, 'torn.crt');
    writeFileSync(torn, one.pem + other.pem.slice(0, other.pem.length / 2));
    expect(certificateProblems({ certFile: torn, keyFile: one.keyFile })).toEqual([
      `TLS_CERT: ${torn}, its chain or its key cannot serve (ERR_OSSL_PEM_BAD_END_LINE)`,
    ]);
  });
});

describe('a pair of files that changes', () => {
  const everyMs = 10;
  let source: CertificateSource;
  let taken: string[];
  let logged: { level: string; msg: string }[];
  let registry: Registry;
  let unwatch: () => void;

  afterEach(() => unwatch());

  function watch(files: TlsFiles): void {
    taken = [];
    logged = [];
    registry = new Registry();
    const log = createLogger({
      level: 'info',
      destination: { write: (line) => void logged.push(JSON.parse(line)) },
    });
    source = createCertificateSource({ files, log, registry, everyMs });
    unwatch = source.watch(({ cert }) => taken.push(cert));
  }

  /** Copies of a pair, which tests may spoil. */
  function copyOf(pair: TlsFiles, name: string): TlsFiles {
    const copy = { certFile: join(folder, `${name}.crt`), keyFile: join(folder, `${name}.key`) };
    copyFileSync(pair.certFile, copy.certFile);
    copyFileSync(pair.keyFile, copy.keyFile);
    return copy;
  }

  const errors = () => logged.filter(({ level }) => level === 'error');

  it('by renames, as certbot does, is taken when both are there', async () => {
    const files = copyOf(one, 'renamed');
    watch(files);
    const next = copyOf(other, 'next');
    renameSync(next.certFile, files.certFile);
    renameSync(next.keyFile, files.keyFile);
    await vi.waitFor(() => expect(taken).toEqual([other.pem]));
    expect(source.current().cert).toBe(other.pem);
  });

  it('by a symbolic link, as Kubernetes mounts secrets, is taken', async () => {
    const mount = join(folder, 'secret');
    for (const [version, pair] of Object.entries({ '..1': one, '..2': other })) {
      mkdirSync(join(mount, version), { recursive: true });
      copyFileSync(pair.certFile, join(mount, version, 'tls.crt'));
      copyFileSync(pair.keyFile, join(mount, version, 'tls.key'));
    }
    symlinkSync('..1', join(mount, '..data'));
    symlinkSync('..data/tls.crt', join(mount, 'tls.crt'));
    symlinkSync('..data/tls.key', join(mount, 'tls.key'));
    watch({ certFile: join(mount, 'tls.crt'), keyFile: join(mount, 'tls.key') });
    expect(source.current().cert).toBe(one.pem);
    symlinkSync('..2', join(mount, '..data_tmp'));
    renameSync(join(mount, '..data_tmp'), join(mount, '..data'));
    await vi.waitFor(() => expect(taken).toEqual([other.pem]));
  });

  it('into one that cannot serve is told once and left alone, until a good one comes', async () => {
    const files = copyOf(one, 'broken');
    watch(files);
    writeFileSync(files.certFile, other.pem);
    await vi.waitFor(() => expect(errors()).toHaveLength(1));
    await sleep(5 * everyMs);
    expect(errors()).toHaveLength(1);
    expect(source.current().cert).toBe(one.pem);
    copyFileSync(other.keyFile, files.keyFile);
    await vi.waitFor(() => expect(taken).toEqual([other.pem]));
  });

  it('measures the end of the one that serves', async () => {
    watch(one);
    const endsAt = new X509Certificate(one.pem).validToDate.getTime() / 1_000;
    expect(await registry.metrics()).toContain(`\nbanyan_tls_expiry_timestamp_seconds ${endsAt}\n`);
  });
});
