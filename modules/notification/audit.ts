import type { AuditCheck, Finding } from '#platform/audit';
import type { Database } from '#platform/database/database';
import { findEventsWithoutMail } from './store.ts';

const BATCH = 500;

/** I5: every handled event that deserves a mail has one, sent or not. */
export function auditMail(database: Database, types: readonly string[]): AuditCheck {
  return async function* (): AsyncIterable<Finding> {
    let after = 0;
    for (;;) {
      const events = await findEventsWithoutMail(database, types, after, BATCH);
      for (const event of events) {
        yield {
          invariant: 'I5',
          subject: `event ${event.id} (${event.type})`,
          detail: 'notification has handled it, but it has no mail',
        };
      }
      const last = events.at(-1);
      if (last === undefined || events.length < BATCH) return;
      after = last.position;
    }
  };
}
