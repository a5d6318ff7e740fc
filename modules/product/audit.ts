import type { AuditCheck, Finding } from '#platform/audit';
import type { Queryable } from '#platform/database/database';
import { overdueReservations, type StockFigures, stockFigures } from './audit-store.ts';
import { AUDIT_BATCH, EXPIRY_GRACE_SECONDS } from './limits.ts';

/** Invariants I1 (stock adds up) and I4 (no reservation is forgotten). */
export function auditStock(database: Queryable): readonly AuditCheck[] {
  return [() => checkFigures(database), () => checkExpiry(database)];
}

async function* checkFigures(database: Queryable): AsyncIterable<Finding> {
  let after: string | undefined;
  for (;;) {
    const batch = await stockFigures(database, after, AUDIT_BATCH);
    for (const figures of batch) {
      const subject = `variant ${figures.variantId} (sku ${figures.sku})`;
      for (const detail of contradictions(figures)) yield { invariant: 'I1', subject, detail };
    }
    if (batch.length < AUDIT_BATCH) return;
    after = batch.at(-1)!.variantId;
  }
}

/** What does not hold of one variant's figures. */
function contradictions({ initial, onHand, reserved, moved, open }: StockFigures): string[] {
  const found: string[] = [];
  if (onHand - reserved < 0) found.push(`${reserved} reserved of ${onHand} on hand`);
  if (reserved !== open) found.push(`${reserved} reserved, but open reservations add up to ${open}`);
  if (onHand !== initial + moved) {
    found.push(
      `${onHand} on hand, but ${initial} at first and the ledger's ${moved} make ${initial + moved}`,
    );
  }
  return found;
}

async function* checkExpiry(database: Queryable): AsyncIterable<Finding> {
  let after: string | undefined;
  for (;;) {
    const batch = await overdueReservations(database, EXPIRY_GRACE_SECONDS, after, AUDIT_BATCH);
    for (const { orderId, expiresAt } of batch) {
      yield {
        invariant: 'I4',
        subject: `reservation of order ${orderId}`,
        detail: `still open, though it expired at ${expiresAt}`,
      };
    }
    if (batch.length < AUDIT_BATCH) return;
    after = batch.at(-1)!.orderId;
  }
}
