import type { Registry } from 'prom-client';
import { TLS_CHECK_MS, TLS_WARN_MS } from '../limits.ts';
import { platformMetrics } from '../telemetry/catalogue.ts';
import { gaugeOf } from '../telemetry/instruments.ts';
import type { Logger } from '../telemetry/log.ts';
import { type Certificate, CertificateError, readCertificate, type TlsFiles } from './certificate.ts';

/** The pair that a port serves with, now and after its files have changed. */
export interface CertificateSource {
  /** What the files held when they were last good. */
  current(): Certificate;
  /** Looks at the files from time to time, and hands each new good pair over; the function ends that. */
  watch(take: (certificate: Certificate) => void): () => void;
}

/**
 * Reads the pair; throws `CertificateError` when it cannot serve. Whatever replaces the files, by renaming them or by a
 * symbolic link as Kubernetes does, is seen by what they hold, and not by events, which some file systems do not send.
 * A pair that cannot serve is logged once and left alone, so that the old one goes on; its end is measured.
 */
export function createCertificateSource(options: {
  readonly files: TlsFiles;
  readonly log: Logger;
  readonly registry: Registry;
  /** Default: TLS_CHECK_MS. */
  readonly everyMs?: number;
}): CertificateSource {
  const { files, log, everyMs = TLS_CHECK_MS } = options;
  let current = readCertificate(files);
  let broken = { reason: '', looks: 0 };
  gaugeOf(options.registry, platformMetrics.tlsExpiry, (gauge) =>
    gauge.set(current.endsAt.getTime() / 1_000),
  );
  warnOfEnd(current, log);

  /** The new pair, if there is one that can serve. */
  function look(): Certificate | undefined {
    try {
      const found = readCertificate(files);
      broken = { reason: '', looks: 0 };
      return found.cert === current.cert && found.key === current.key ? undefined : found;
    } catch (error) {
      if (!(error instanceof CertificateError)) throw error;
      const { message: reason, problems } = error;
      broken = { reason, looks: broken.reason === reason ? broken.looks + 1 : 1 };
      // Told at the second look, since two files are hardly ever replaced in one moment, and then not again.
      if (broken.looks === 2)
        log.error({ problems }, 'the certificate on disk cannot serve: the old one goes on');
      return undefined;
    }
  }

  return {
    current: () => current,
    watch(take) {
      const timer = setInterval(() => {
        const found = look();
        if (found === undefined) return;
        current = found;
        take(found);
        log.info({ endsAt: found.endsAt }, 'the certificate was replaced');
        warnOfEnd(found, log);
      }, everyMs);
      timer.unref();
      return () => clearInterval(timer);
    },
  };
}

function warnOfEnd({ endsAt }: Certificate, log: Logger): void {
  const leftMs = endsAt.getTime() - Date.now();
  if (leftMs <= 0) log.error({ endsAt }, 'the certificate has ended: clients refuse it');
  else if (leftMs < TLS_WARN_MS) log.warn({ endsAt }, 'the certificate ends soon');
}
