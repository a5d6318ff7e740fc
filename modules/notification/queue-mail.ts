import { currentContext } from '#platform/context';
import type { EventEnvelope } from '#platform/events/event';
import type { EventHandler } from '#platform/events/inbox';
import { formatTrace } from '#platform/telemetry/trace-context';
import type { MailSubject } from './mail.ts';
import { insertMail } from './store.ts';

/**
 * A handler that queues the mail an event calls for, under the event's id, and has it sent once that is
 * committed. It calls nobody: recipient and text are looked up by the sender, which can try again.
 */
export function queueMail<Data extends { userId: string }>(
  wake: () => void,
  about: (event: EventEnvelope<Data>) => MailSubject,
): EventHandler<Data> {
  return async (event, once) => {
    const context = currentContext();
    const trace = context ? formatTrace(context) : null;
    await once(async (tx) => {
      await insertMail(tx, { id: event.id, userId: event.data.userId, about: about(event), trace });
      tx.onCommit(wake);
    });
  };
}
