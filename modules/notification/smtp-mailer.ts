import { createTransport } from 'nodemailer';
import { MAILS_AT_ONCE, SMTP_CONNECT_TIMEOUT_MS, SMTP_SOCKET_TIMEOUT_MS } from './limits.ts';
import { composeMessage, type Mailer } from './mailer.ts';

interface SmtpError extends Error {
  readonly code?: string;
  readonly responseCode?: number;
}

/** Sends by a mail server, with a connection for each mail: a server that restarts leaves no broken pool behind. */
export function createSmtpMailer(url: string, from: string): Mailer {
  const transport = createTransport({
    url,
    connectionTimeout: SMTP_CONNECT_TIMEOUT_MS,
    greetingTimeout: SMTP_CONNECT_TIMEOUT_MS,
    socketTimeout: SMTP_SOCKET_TIMEOUT_MS,
  });
  return {
    atOnce: MAILS_AT_ONCE,
    async send(mail) {
      try {
        await transport.sendMail(composeMessage(from, mail));
        return { state: 'sent' };
      } catch (error) {
        const { code, responseCode } = error as SmtpError;
        if (isLastWord(code, responseCode)) return { state: 'refused', reason: `SMTP ${responseCode}` };
        throw error;
      }
    },
  };
}

/** A 5xx to this recipient or this message; one to our login or greeting says nothing about the mail. */
function isLastWord(code: string | undefined, responseCode: number | undefined): boolean {
  return (code === 'EENVELOPE' || code === 'EMESSAGE') && responseCode !== undefined && responseCode >= 500;
}
