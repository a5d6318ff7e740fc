import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createSecureContext } from 'node:tls';
import type { Config } from '../config.ts';

/** What the port speaks at least. */
export const MIN_TLS_VERSION = 'TLSv1.2';

/** Where a certificate, its chain after it, and its private key are, in PEM. */
export type TlsFiles = NonNullable<Config['tls']>;

/** A certificate and the private key that belongs to it. */
export interface Certificate {
  /** The certificate, and what follows it in its file: the chain that leads to a root. */
  readonly cert: string;
  readonly key: string;
  /** After this moment clients refuse it. */
  readonly endsAt: Date;
}

/** Why a pair of files cannot serve: each problem a sentence with the setting it is about. */
export class CertificateError extends Error {
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(problems.join('; '));
    this.name = 'CertificateError';
    this.problems = problems;
  }
}

/** Reads both files and sees that they belong together. Throws `CertificateError` with all that is wrong. */
export function readCertificate({ certFile, keyFile }: TlsFiles): Certificate {
  const problems: string[] = [];
  const cert = readText('TLS_CERT', certFile, problems);
  const key = readText('TLS_KEY', keyFile, problems);
  const leaf = cert === undefined ? undefined : parseCertificate(cert);
  const secret = key === undefined ? undefined : parseKey(key);
  if (cert !== undefined && leaf === undefined)
    problems.push(`TLS_CERT: ${certFile} holds no certificate in PEM`);
  if (key !== undefined && secret === undefined) {
    problems.push(`TLS_KEY: ${keyFile} holds no private key in PEM without a passphrase`);
  }
  if (leaf !== undefined && secret !== undefined && !leaf.checkPrivateKey(secret)) {
    problems.push(`TLS_KEY: ${keyFile} is not the key of the certificate in ${certFile}`);
  }
  if (problems.length > 0 || cert === undefined || key === undefined || leaf === undefined) {
    throw new CertificateError(problems);
  }
  refuseUnusable({ cert, key }, certFile);
  return { cert, key, endsAt: leaf.validToDate };
}

/** As the server will take them: a chain that is written by half, or a key that is too short, shows only here. */
function refuseUnusable({ cert, key }: Pick<Certificate, 'cert' | 'key'>, certFile: string): void {
  try {
    createSecureContext({ cert, key, minVersion: MIN_TLS_VERSION });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new CertificateError([`TLS_CERT: ${certFile}, its chain or its key cannot serve (${code})`]);
  }
}

/** What is wrong with the files, for the list of all faults of a configuration. */
export function certificateProblems(files: TlsFiles | undefined): readonly string[] {
  if (files === undefined) return [];
  try {
    readCertificate(files);
    return [];
  } catch (error) {
    if (error instanceof CertificateError) return error.problems;
    throw error;
  }
}

function readText(setting: string, file: string, problems: string[]): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    problems.push(`${setting}: ${file} cannot be read (${(error as NodeJS.ErrnoException).code})`);
    return undefined;
  }
}

/** The first one of the file is the server's own. */
function parseCertificate(text: string): X509Certificate | undefined {
  try {
    return new X509Certificate(text);
  } catch {
    return undefined;
  }
}

function parseKey(text: string): KeyObject | undefined {
  try {
    return createPrivateKey(text);
  } catch {
    return undefined;
  }
}
