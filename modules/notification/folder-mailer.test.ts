import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createFolderMailer } from './folder-mailer.ts';
import type { OutgoingMail } from './mailer.ts';

const mail: OutgoingMail = {
  id: '01900000-0000-7000-8000-000000000001',
  to: 'anna@example.com',
  subject: 'Café\r\nBcc: thief@example.com',
  text: 'Hello.\n',
  html: '<p>Hello.</p>',
};

let parent: string;
let folder: string;

beforeAll(async () => {
  parent = await mkdtemp(join(tmpdir(), 'banyan-mail-'));
  folder = join(parent, 'mail');
});
afterAll(async () => {
  await rm(parent, { recursive: true });
});

describe('without a mail server', () => {
  it('a mail becomes a whole file that mail programs open, and one only', async () => {
    const mailer = createFolderMailer(folder, 'Banyan <shop@example.com>');
    expect(await mailer.send(mail)).toEqual({ state: 'sent' });
    await mailer.send(mail);
    expect(await readdir(folder)).toEqual([`${mail.id}.eml`]);
    const source = await readFile(join(folder, `${mail.id}.eml`), 'utf8');
    expect(source).toContain('To: anna@example.com\r\n');
    expect(source).toContain(`Message-ID: <${mail.id}@example.com>\r\n`);
    expect(source).toContain('multipart/alternative');
    expect(source).not.toMatch(/^bcc:/im);
  });

  it('a folder that was taken away is made again, by however many mails at once', async () => {
    await rm(folder, { recursive: true });
    const mailer = createFolderMailer(folder, 'Banyan <shop@example.com>');
    const other = { ...mail, id: '01900000-0000-7000-8000-000000000002' };
    await Promise.all([mailer.send(mail), mailer.send(other)]);
    expect((await readdir(folder)).sort()).toEqual([`${mail.id}.eml`, `${other.id}.eml`]);
  });

  it('nobody but the owner may read it, as it holds an address', async () => {
    expect((await stat(folder)).mode & 0o777).toBe(0o700);
    expect((await stat(join(folder, `${mail.id}.eml`))).mode & 0o777).toBe(0o600);
  });
});
