/**
 * `notifiers` of goodgateway.yaml: who is told, and how. Secrets are named, never written here: the proxy reads this
 * file, too. They are read when a message is sent, so a new one needs no restart.
 */
import { z } from 'zod';
import { refusedWord } from './program-words.ts';
import { absolutePath, command, duration } from './values.ts';

const longestTimeoutMs = 60_000;
const mostHeaders = 20;
const mostRecipients = 50;

function timeout() {
  return duration()
    .refine((ms) => ms >= 100 && ms <= longestTimeoutMs, { error: 'expected 100ms to 1m' })
    .prefault('10s')
    .describe('How long one try may take; then it is tried again. 100ms to 1m.');
}

function secretFile(what: string) {
  return absolutePath().optional().describe(`File with ${what}, on one line. Read at each message. Trap: one that everybody can read, or a group can write, is refused: chmod 0600.`);
}

function secretEnv(what: string) {
  return z
    .string()
    .regex(/^[A-Za-z_][A-Za-z0-9_]{0,99}$/, { error: 'expected the name of an environment variable, such as GOODGATEWAY_SECRET' })
    .optional()
    .describe(`Environment variable of the healer that holds ${what}. Trap: goodgateway run gives its environment to the proxy, too; a file is safer.`);
}

function ca() {
  return absolutePath().optional().describe('PEM file with the authorities to trust. Default: those of Node.');
}

const log = z.strictObject({ type: z.literal('log').describe('The log of the healer, which has every message in any case: this receiver gets no other.') });

/** Set by the request itself, or a secret's place. */
const ownHeaders = ['host', 'content-length', 'content-type', 'transfer-encoding', 'connection', 'upgrade', 'keep-alive', 'expect', 'x-goodgateway-signature'];
const secretHeaders = ['authorization', 'proxy-authorization', 'cookie'];

const webhook = z
  .strictObject({
    type: z.literal('webhook').describe('A POST to an address.'),
    url: z
      .string()
      .max(2000)
      .optional()
      .describe('Where it is sent: https://, or http://. Certificates are verified, redirects are not followed. Trap: where the address itself is a secret (Slack, Discord), use url_file.'),
    url_file: secretFile('the address'),
    url_env: secretEnv('the address'),
    format: z
      .enum(['generic', 'slack'], { error: 'expected generic or slack' })
      .default('generic')
      .describe('generic: a JSON object with fields, see docs/notifications.md. slack: `{"text": …}`, which Slack, Mattermost, Rocket.Chat and Discord (address + /slack) understand.'),
    headers: z
      .record(
        z.string().regex(/^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}$/, { error: 'expected the name of a header' }),
        z.string().regex(/^[\x20-\x7e]{0,1000}$/, { error: 'expected printable ASCII, at most 1000 characters' }),
      )
      .refine((headers) => Object.keys(headers).length <= mostHeaders, { error: `expected at most ${mostHeaders} headers` })
      .superRefine((headers, context) => {
        for (const name of Object.keys(headers)) {
          if (ownHeaders.includes(name.toLowerCase())) context.addIssue({ code: 'custom', message: `goodgateway sets ${name} itself; remove the line`, path: [name], params: { at: 'key' } });
          if (secretHeaders.includes(name.toLowerCase()))
            context.addIssue({
              code: 'custom',
              message: `${name} carries a secret, and the proxy reads this file: use token_file or token_env, which is sent as Authorization: Bearer`,
              path: [name],
              params: { at: 'key' },
            });
        }
      })
      .default({})
      .describe('More headers, by name. Not for secrets: the proxy reads this file, too.'),
    token_file: secretFile('a token, sent as `Authorization: Bearer TOKEN`'),
    token_env: secretEnv('a token, sent as `Authorization: Bearer TOKEN`'),
    secret_file: secretFile('a key that signs each message (`X-Goodgateway-Signature: sha256=`, and the HMAC-SHA256 of the body in hexadecimal)'),
    secret_env: secretEnv('such a key'),
    ca: ca(),
    timeout: timeout(),
  })
  .superRefine((value, context) => {
    const given = [value.url, value.url_file, value.url_env].filter((one) => one !== undefined).length;
    if (given !== 1) context.addIssue({ code: 'custom', message: 'expected exactly one of url, url_file and url_env', ...(given === 0 ? { params: { at: 'key' } } : {}) });
    const wrong = value.url === undefined ? undefined : whyNoAddress(value.url);
    if (wrong !== undefined) context.addIssue({ code: 'custom', message: wrong, path: ['url'] });
    oneSource(value, 'token', context);
    oneSource(value, 'secret', context);
  });

/** A mailbox alone, or with a name before it. What goes into a header holds no control character. */
const mailbox = /^(?:[^\p{Cc}<>@,;"]{0,100}<[^\p{Cc}\s<>@,;"]{1,100}@[^\p{Cc}\s<>@,;"]{1,200}>|[^\p{Cc}\s<>@,;"]{1,100}@[^\p{Cc}\s<>@,;"]{1,200})$/u;
const mailboxExpected = 'expected a mail address, such as ops@example.com or goodgateway <web1@example.com>';

const email = z
  .strictObject({
    type: z.literal('email').describe('A mail, handed to an SMTP server.'),
    host: z
      .string()
      .regex(/^[A-Za-z0-9.:_-]{1,253}$/, { error: 'expected the name or the address of a mail server' })
      .describe('The mail server: localhost, or the one that you may send by.'),
    port: z.int({ error: 'expected a whole number' }).min(1).max(65_535).optional().describe('Default: 587 with starttls, 465 with tls, 25 with none.'),
    tls: z
      .enum(['starttls', 'tls', 'none'], { error: 'expected starttls, tls or none' })
      .default('starttls')
      .describe('starttls: nothing is sent before the connection is encrypted. tls: from the first byte on. none: in the clear, for a server on this host. Certificates are verified.'),
    ca: ca(),
    user: z.string().min(1).max(200).optional().describe('Name for the login. Default: no login.'),
    password_file: secretFile('the password of `user`'),
    password_env: secretEnv('the password of `user`'),
    from: z.string().regex(mailbox, { error: mailboxExpected }).describe('The sender, such as `goodgateway <web1@example.com>`. Trap: many servers take only addresses of their own.'),
    to: z
      .array(z.string().regex(mailbox, { error: mailboxExpected }))
      .min(1, { error: 'expected at least one address' })
      .max(mostRecipients, { error: `expected at most ${mostRecipients} addresses` })
      .describe('Who gets it: a list of addresses.'),
    timeout: timeout(),
  })
  .superRefine((value, context) => {
    oneSource(value, 'password', context);
    const hasPassword = value.password_file !== undefined || value.password_env !== undefined;
    if (hasPassword !== (value.user !== undefined))
      context.addIssue({ code: 'custom', message: hasPassword ? 'user: expected the name that the password belongs to' : 'expected password_file or password_env beside user', params: { at: 'key' } });
    if (hasPassword && value.tls === 'none' && !isLoopback(value.host))
      context.addIssue({ code: 'custom', message: 'a password would cross the network in the clear: use starttls or tls', path: ['tls'] });
  })
  .transform((value) => ({ ...value, port: value.port ?? usualPorts[value.tls] }));

const usualPorts = { starttls: 587, tls: 465, none: 25 } as const;

const run = z
  .strictObject({
    type: z.literal('run').describe('A program of yours; the message is JSON on its standard input.'),
    command: command().describe(
      'A program by its absolute path, with its arguments, exactly as they stand here; no shell. Exit status 0: the message was taken. Trap: it runs as the healer, usually root, so only root may be able to change it.',
    ),
    timeout: timeout(),
  })
  .superRefine(({ command: argv }, context) => {
    const refused = refusedWord(argv);
    const placeholder = argv.findIndex((word) => /^\{[a-z_]+\}$/.test(word));
    if (refused) context.addIssue({ code: 'custom', message: refused.message, path: ['command', refused.index] });
    else if (placeholder >= 0) context.addIssue({ code: 'custom', message: `${argv[placeholder]} stands for nothing here: the message is on standard input`, path: ['command', placeholder] });
  });

export const notifierSchema = z.discriminatedUnion('type', [log, webhook, email, run], { error: 'expected log, webhook, email or run' });

export type NotifierConfig = z.output<typeof notifierSchema>;
export type WebhookConfig = Extract<NotifierConfig, { type: 'webhook' }>;
export type EmailConfig = Extract<NotifierConfig, { type: 'email' }>;
export type RunNotifierConfig = Extract<NotifierConfig, { type: 'run' }>;

/** Why this is no address for a webhook; says nothing of the address itself, which may be a secret. `undefined`: it is one. */
export function whyNoAddress(text: string): string | undefined {
  const url = URL.parse(text);
  if (!url || !['https:', 'http:'].includes(url.protocol)) return 'expected an address that begins with https:// or http://';
  return url.username !== '' || url.password !== '' ? 'expected an address without user and password: use token_file' : undefined;
}

function oneSource(value: Readonly<Record<string, unknown>>, what: 'token' | 'secret' | 'password', context: z.core.$RefinementCtx): void {
  if (value[`${what}_file`] === undefined || value[`${what}_env`] === undefined) return;
  context.addIssue({ code: 'custom', message: `expected ${what}_file or ${what}_env, not both`, path: [`${what}_env`], params: { at: 'key' } });
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host);
}
