/** Secrets of notifiers: read when a message is sent, known to nobody else, and taken out of what a receiver says. */
import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import { whySecretIsOpen } from '../../config/check-notifiers.ts';

/** Where a secret is; both absent: there is none. */
export interface SecretPlace {
  readonly file: string | undefined;
  readonly env: string | undefined;
}

export type SecretRead = { readonly secret: string | undefined } | { readonly problem: string };

const longestSecret = 4096;

/** The secret without blanks around it; `undefined` where none is named. The problem is a sentence without it. */
export async function readSecret({ file, env }: SecretPlace): Promise<SecretRead> {
  if (file !== undefined) return readFromFile(file);
  if (env === undefined) return { secret: undefined };
  const secret = process.env[env]?.trim();
  return secret ? usable(secret, `the environment variable ${env}`) : { problem: `the environment variable ${env} is not set` };
}

async function readFromFile(path: string): Promise<SecretRead> {
  const open_ = await whySecretIsOpen(path);
  if (open_ !== undefined) return { problem: open_ };
  try {
    // a FIFO in its place would be waited for
    await using file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    if (!(await file.stat()).isFile()) return { problem: `${path} is no file` };
    const { buffer, bytesRead } = await file.read(Buffer.alloc(longestSecret + 1), 0, longestSecret + 1, 0);
    if (bytesRead > longestSecret) return { problem: `${path} holds more than ${longestSecret} bytes` };
    const secret = buffer.toString('utf8', 0, bytesRead).trim();
    return secret === '' ? { problem: `${path} is empty` } : usable(secret, path);
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown error';
    return { problem: `${path} cannot be read (${code})` };
  }
}

function usable(secret: string, place: string): SecretRead {
  return /\p{Cc}/u.test(secret) ? { problem: `${place} holds more than one line` } : { secret };
}

/** What a receiver answered, short, on one line, and without any of these secrets in the forms in which they were sent. */
export function wordsWithout(secrets: readonly (string | undefined)[], text: string): string {
  const forms = secrets.flatMap((secret) =>
    // the last as PHP's JSON has it
    secret ? [secret, Buffer.from(secret).toString('base64').replace(/=+$/, ''), encodeURIComponent(secret), secret.replaceAll('/', String.raw`\/`)] : [],
  );
  const clean = forms.reduce((rest, form) => rest.replaceAll(form, '[redacted]'), text);
  return clean
    .replaceAll(/\p{Cc}+/gu, ' ')
    .trim()
    .slice(0, 200);
}
