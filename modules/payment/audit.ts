import type { AuditCheck, Finding } from '#platform/audit';
import { BEFORE_ALL_IDS } from '#platform/database/sql';
import { type AuditedPayment, auditedAfter, auditedOf } from './audit-store.ts';
import type { PaymentContext } from './context.ts';
import { AUDIT_PAGE } from './limits.ts';
import { ask, type LedgerEntry } from './provider.ts';

/**
 * I2 within payments and against the provider's books, both ways. The side that claims something is read before
 * the side that must bear it out, so that work going on meanwhile breaks nothing: what payments say was taken or
 * refunded must be in the books read later, and what the books hold must be intended by payments read later.
 */
export function auditPayments(context: PaymentContext): AuditCheck {
  return async function* () {
    yield* auditOwnRows(context);
    yield* auditBooks(context);
  };
}

async function* auditOwnRows({ database, provider }: PaymentContext): AsyncIterable<Finding> {
  let after = BEFORE_ALL_IDS;
  for (;;) {
    const page = await auditedAfter(database, after, AUDIT_PAGE);
    const last = page.at(-1);
    if (!last) return;
    after = last.id;
    const keys = page.map((payment) => payment.id);
    const entries = await ask('ledger', (signal) => provider.ledger.of(keys, signal));
    const byKey = new Map(entries.map((entry) => [entry.key, entry]));
    for (const payment of page) {
      const details = [...inItself(payment), ...againstBooks(payment, byKey.get(payment.id))];
      yield* details.map((detail) => finding(payment, detail));
    }
  }
}

async function* auditBooks({ database, provider }: PaymentContext): AsyncIterable<Finding> {
  let after = '';
  for (;;) {
    const page = await ask('ledger', (signal) => provider.ledger.page(after, AUDIT_PAGE, signal));
    const last = page.at(-1);
    if (!last) return;
    after = last.key;
    const keys = page.map((entry) => entry.key);
    const payments = await auditedOf(database, keys);
    const byId = new Map(payments.map((payment) => [payment.id, payment]));
    for (const entry of page) {
      const payment = byId.get(entry.key);
      if (!payment) {
        const detail = `${provider.name} has it ${entry.state} with ${sumOf(entry)}, and there is no such payment`;
        yield { invariant: 'I2', subject: `charge ${entry.key}`, detail };
      } else if (entry.refunded > payment.refundReserved) {
        const detail = `${provider.name} refunded ${entry.refunded}, of which ${payment.refundReserved} were asked for`;
        yield finding(payment, detail);
      }
    }
  }
}

function finding(payment: AuditedPayment, detail: string): Finding {
  return { invariant: 'I2', subject: `payment ${payment.id} (order ${payment.orderId})`, detail };
}

function* inItself(payment: AuditedPayment): Iterable<string> {
  const { amount, refunded, refundReserved, refundsBegun, refundsDone } = payment;
  if (refundReserved !== refundsBegun || refunded !== refundsDone) {
    yield `refunded ${refunded} of ${refundReserved} begun, and its refunds come to ${refundsDone} of ${refundsBegun}`;
  }
  if (payment.reversed && payment.status === 'captured' && refundReserved !== amount) {
    yield `its order was reversed, and ${amount - refundReserved} of ${amount} are not given back`;
  }
}

function* againstBooks(payment: AuditedPayment, entry: LedgerEntry | undefined): Iterable<string> {
  const { status, amount, currency, provider } = payment;
  const theirs = entry ? `${entry.state} with ${sumOf(entry)}` : 'unknown';
  if (status === 'captured') {
    const same = entry?.state === 'captured' && entry.amount === amount && entry.currency === currency;
    if (!same) yield `captured ${amount} ${currency}, and for ${provider} it is ${theirs}`;
    else if (entry.refunded < payment.refunded) {
      yield `refunded ${payment.refunded}, and ${provider} refunded ${entry.refunded}`;
    }
  }
  if (
    (status === 'failed' || status === 'voided') &&
    (entry?.state === 'captured' || entry?.state === 'authorized')
  ) {
    yield `${status}, and for ${provider} it is ${theirs}`;
  }
}

function sumOf({ amount, currency }: LedgerEntry): string {
  return currency === null ? 'no amount' : `${amount} ${currency}`;
}
