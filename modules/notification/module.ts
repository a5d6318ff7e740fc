import { join } from 'node:path';
import { orderContract } from '#modules/order/contract';
import { orderPaid, orderRefunded, orderShipped } from '#modules/order/events';
import { userContract } from '#modules/user/contract';
import { userErased, userPasswordChanged } from '#modules/user/events';
import { handles, handlesTogether, typesOf } from '#platform/events/subscription';
import { defineModule } from '#platform/module';
import { uses } from '#platform/rpc/contract';
import { auditMail } from './audit.ts';
import { notificationContract } from './contract.ts';
import { createFolderMailer } from './folder-mailer.ts';
import { CLEAN_UP_MS, MAIL_POLL_MS } from './limits.ts';
import { notificationMetrics } from './metrics.ts';
import { createOnOrderPaid } from './on-order-paid.ts';
import { createOnOrderRefunded } from './on-order-refunded.ts';
import { createOnOrderShipped } from './on-order-shipped.ts';
import { createOnPasswordChanged } from './on-password-changed.ts';
import { createOnUserErased } from './on-user-erased.ts';
import { createSender } from './sender.ts';
import { createSmtpMailer } from './smtp-mailer.ts';
import { deleteOldMail, freeLeases } from './store.ts';

export const notificationModule = defineModule({
  contract: notificationContract,
  schema: 'notifications',
  needs: { user: uses(userContract, 'profiles'), order: uses(orderContract, 'receipts') },
  routes: {},
  metrics: notificationMetrics,
  keepsInFolder: ({ mail }) => (mail.smtpUrl === undefined ? 'mail, as SMTP_URL is not set,' : undefined),
  create(context) {
    const { config, database, log } = context;
    const { smtpUrl, from } = config.mail;
    const folder = join(config.dataDir, 'mail');
    const mailer = smtpUrl === undefined ? createFolderMailer(folder, from) : createSmtpMailer(smtpUrl, from);
    const sender = createSender(context, mailer);
    const mails = [
      handlesTogether(orderPaid, createOnOrderPaid(sender.wake)),
      handlesTogether(orderShipped, createOnOrderShipped(sender.wake)),
      handlesTogether(orderRefunded, createOnOrderRefunded(sender.wake)),
      handlesTogether(userPasswordChanged, createOnPasswordChanged(sender.wake)),
    ];
    return {
      api: {},
      handlers: {},
      on: [...mails, handles(userErased, createOnUserErased())],
      schedules: [
        { name: 'send-due-mail', everyMs: MAIL_POLL_MS, run: sender.sendDue },
        { name: 'delete-old-mail', everyMs: CLEAN_UP_MS, run: () => deleteOldMail(database) },
      ],
      audit: [auditMail(database, mails.flatMap(typesOf))],
      freeLeases: () => freeLeases(database),
      async start() {
        if (smtpUrl === undefined) log.info({ folder }, 'SMTP_URL is not set: mail is written to files');
      },
      stop: sender.stop,
    };
  },
});
