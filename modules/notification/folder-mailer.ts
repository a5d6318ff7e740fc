import { type FileHandle, mkdir, open, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { createTransport } from 'nodemailer';
import { MAIL_BATCH } from './limits.ts';
import { composeMessage, type Mailer } from './mailer.ts';

/**
 * Writes each mail to `<folder>/<id>.eml` for whoever has no mail server. The file appears whole, by a rename,
 * and a mail that is sent again only replaces it. Only the owner may read the folder: it holds addresses.
 */
export function createFolderMailer(folder: string, from: string): Mailer {
  const transport = createTransport({ streamTransport: true, buffer: true, newline: 'windows' });
  return {
    atOnce: MAIL_BATCH,
    async send(mail) {
      const { message } = await transport.sendMail(composeMessage(from, mail));
      const path = join(folder, `${mail.id}.eml`);
      const file = await openIn(folder, `${path}.part`);
      try {
        await file.writeFile(message as Buffer);
        // Else a power cut could leave an empty file under the final name.
        await file.sync();
      } finally {
        await file.close();
      }
      await rename(`${path}.part`, path);
      return { state: 'sent' };
    },
  };
}

/** Opens a file to be written, and makes its folder where that is missing, as before the first mail. */
async function openIn(folder: string, path: string): Promise<FileHandle> {
  const tryOpen = () => open(path, 'w', 0o600);
  return await tryOpen().catch(async (error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error;
    await mkdir(folder, { recursive: true, mode: 0o700 });
    return await tryOpen();
  });
}
