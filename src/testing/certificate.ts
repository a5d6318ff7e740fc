import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TlsFiles } from '../http/certificate.ts';

/** A certificate for this machine that signed itself, so that it is its own authority as well. */
export interface TestCertificate extends TlsFiles {
  /** In PEM, for clients that shall trust it. */
  readonly pem: string;
}

/** Makes one in `folder` by OpenSSL; `subject` tells it from others. */
export function makeCertificate(folder: string, subject = 'localhost'): TestCertificate {
  const certFile = join(folder, `${subject}.crt`);
  const keyFile = join(folder, `${subject}.key`);
  const days = '30';
  const args = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
  const names = ['-subj', `/CN=${subject}`, '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1'];
  execFileSync('openssl', [...args, ...names, '-days', days, '-keyout', keyFile, '-out', certFile], {
    stdio: 'ignore',
  });
  return { certFile, keyFile, pem: readFileSync(certFile, 'utf8') };
}
