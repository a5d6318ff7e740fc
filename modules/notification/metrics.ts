import { counter } from '#platform/telemetry/instruments';

export const notificationMetrics = {
  mails: counter({
    name: 'banyan_mails_total',
    help: 'Tries to send a mail, by what came of them; a mail to be retried goes again later.',
    labels: { outcome: '`sent`, `retried`, `failed`, `dropped`' },
    toldBy: 'hosting',
  }),
} as const;
