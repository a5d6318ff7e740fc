import type { Letter } from './letter.ts';

export interface OutgoingMail extends Letter {
  readonly id: string;
  /** One address. */
  readonly to: string;
}

/** How the mail server took it: `refused` is its last word on this mail. */
export type Sent = { readonly state: 'sent' } | { readonly state: 'refused'; readonly reason: string };

export interface Mailer {
  /** Mails that it may be given at once. */
  readonly atOnce: number;
  /** Rejects when the mail may or may not have gone out, or could not: try again later. */
  send(mail: OutgoingMail): Promise<Sent>;
}

/** The message in nodemailer's terms, the same for every way of sending. */
export function composeMessage(from: string, mail: OutgoingMail) {
  return {
    from,
    // As an object: an address in a string would be parsed, and might turn out to be several.
    to: { name: '', address: mail.to },
    subject: mail.subject,
    text: mail.text,
    html: mail.html,
    // The same on every try, so that a mailbox that got it twice can tell.
    messageId: `<${mail.id}@${senderDomain(from)}>`,
    headers: { 'Auto-Submitted': 'auto-generated' },
    disableFileAccess: true,
    disableUrlAccess: true,
  };
}

function senderDomain(from: string): string {
  return /@([A-Za-z0-9.-]+)/.exec(from)?.[1] ?? 'banyan.local';
}
