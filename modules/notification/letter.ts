import type { Money } from '#platform/money';
import { formatMoney } from './format-money.ts';
import { MAIL_LINES } from './limits.ts';
import type { MailSubject } from './mail.ts';

/** What a mail says. */
export interface Letter {
  readonly subject: string;
  readonly text: string;
  readonly html: string;
}

/** The part of an order that its confirmation shows. */
export interface Receipt {
  readonly number: string;
  readonly items: readonly { sku: string; name: string; quantity: number; lineTotal: Money }[];
  readonly total: Money;
}

/**
 * A letter names the order and what was bought, never the reader: addresses are not verified, so a username in
 * the text would let anybody have us write their words to a stranger.
 */
export function writeLetter(about: MailSubject, receipt: Receipt | undefined): Letter {
  switch (about.kind) {
    case 'order_paid':
      return receipt === undefined ? missing() : orderPaid(receipt);
    case 'order_shipped':
      return orderShipped(about.data);
    case 'order_refunded':
      return letter(`Refund for order ${about.data.number}`, [
        `Your order ${about.data.number} was cancelled, and we have given back ${formatMoney(about.data.amount)}.`,
        'Depending on your bank it may take a few days until you see the money.',
      ]);
    case 'password_changed':
      return letter('Your password was changed', [
        'The password of your account was changed, and all other devices were signed out.',
        'If it was you, there is nothing to do. If it was not, somebody else knows your password: tell us at once.',
      ]);
  }
}

function missing(): never {
  throw new Error('a confirmation is written from its receipt');
}

function orderPaid({ number, items, total }: Receipt): Letter {
  const rows = items.slice(0, MAIL_LINES).map(({ quantity, name, sku, lineTotal }) => ({
    what: `${quantity} × ${name} (${sku})`,
    price: formatMoney(lineTotal),
  }));
  const more = items.length - rows.length;
  if (more > 0) rows.push({ what: `and ${more} more ${more === 1 ? 'line' : 'lines'}`, price: '' });
  rows.push({ what: 'Total', price: formatMoney(total) });
  return letter(
    `Order ${number} is confirmed`,
    [
      `Thank you for your order ${number}. Your payment has arrived.`,
      'We write again when it is on its way.',
    ],
    rows,
  );
}

function orderShipped(order: { number: string; trackingNumber: string; carrier: string | null }): Letter {
  const by = order.carrier === null ? '' : ` with ${order.carrier}`;
  return letter(`Order ${order.number} is on its way`, [
    `Your order ${order.number} has left our house${by}.`,
    `Its tracking number is ${order.trackingNumber}.`,
  ]);
}

/** The same words twice, for programs with and without HTML; a table stands after the first paragraph. */
function letter(
  subject: string,
  [first = '', ...rest]: readonly string[],
  rows: readonly { what: string; price: string }[] = [],
): Letter {
  const lines = rows.map(({ what, price }) => `  ${what}${price && `: ${price}`}`).join('\n');
  const text = [first, lines, ...rest].filter(Boolean).join('\n\n');
  const cells = rows.map(
    ({ what, price }) => `<tr><td>${escapeHtml(what)}</td><td align="right">${escapeHtml(price)}</td></tr>`,
  );
  const table = rows.length === 0 ? '' : `<table cellpadding="4">${cells.join('')}</table>`;
  const paragraphs = rest.map((paragraph) => `<p>${escapeHtml(paragraph)}</p>`).join('');
  const html = `<!doctype html><html lang="en"><body><p>${escapeHtml(first)}</p>${table}${paragraphs}</body></html>`;
  return { subject, text: `${text}\n`, html };
}

function escapeHtml(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;');
}
