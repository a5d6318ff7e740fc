import type { EventEnvelope } from '#platform/events/event';
import type { EventsHandler } from '#platform/events/inbox';
import type { MailSubject } from './mail.ts';
import { insertMails } from './store.ts';

/**
 * A handler that queues the mails that events call for, each under its event's id, and has them sent once that is
 * committed. It calls nobody: recipient and text are looked up by the sender, which can try again.
 */
export function queueMails<Data extends { userId: string }>(
  wake: () => void,
  about: (event: EventEnvelope<Data>) => MailSubject,
): EventsHandler<Data> {
  return async (_, once) => {
    await once(async (tx, fresh) => {
      const mails = fresh.map((event) => ({
        id: event.id,
        userId: event.data.userId,
        about: about(event),
        trace: event.trace,
      }));
      void insertMails(tx, mails);
      tx.onCommit(wake);
    });
  };
}
