/** A mail over SMTP. All mails of one incident have one subject and refer to one id, so that they are one thread. */
import { readFile } from 'node:fs/promises';
import type { EmailConfig } from '../../config/notifier-schema.ts';
import { textOf, type Message, type Notifier, type SendOutcome } from '../notifier.ts';
import { readSecret, wordsWithout } from './read-secret.ts';

/** Sent when the server has taken it for everybody whom it does not refuse for good. */
export const email: Notifier<EmailConfig> = {
  type: 'email',
  async send(message, settings, signal) {
    const password = await readSecret({ file: settings.password_file, env: settings.password_env });
    if ('problem' in password) return { kind: 'failed', retry: true, detail: password.problem };
    const ca = settings.ca === undefined ? undefined : await readFile(settings.ca, 'utf8').catch(() => null);
    if (ca === null) return { kind: 'failed', retry: true, detail: `the authorities of ${settings.ca} cannot be read` };
    return hand(message, { settings, password: password.secret, ca }, signal);
  },
};

interface Access {
  readonly settings: EmailConfig;
  readonly password: string | undefined;
  readonly ca: string | undefined;
}

async function hand(message: Message, { settings, password, ca }: Access, signal: AbortSignal): Promise<SendOutcome> {
  const { host, port, tls, user, timeout } = settings;
  // loaded with the first mail: most healers never send one
  const { createTransport } = await import('nodemailer');
  const transport = createTransport({
    host,
    port,
    secure: tls === 'tls',
    requireTLS: tls === 'starttls',
    ignoreTLS: tls === 'none',
    ...(user === undefined ? {} : { auth: { user, pass: password ?? '' } }),
    tls: ca === undefined ? {} : { ca },
    connectionTimeout: timeout,
    greetingTimeout: timeout,
    socketTimeout: timeout,
    dnsTimeout: timeout,
    socketCloseTimeout: 0,
    disableFileAccess: true,
    disableUrlAccess: true,
  });
  try {
    const { rejectedErrors = [] } = await transport.sendMail({ ...mailOf(message, settings), signal });
    return judgeRefusals(rejectedErrors, settings.to.length);
  } catch (error) {
    // as AUTH PLAIN sends them: some servers say back what they did not understand
    const login = password === undefined ? undefined : `\0${user ?? ''}\0${password}`;
    return failed(error, { server: `${host}:${port}`, late: signal.aborted, secrets: [login, password] });
  } finally {
    transport.close();
  }
}

function mailOf(message: Message, { from, to }: EmailConfig) {
  const { id, incident, code, service, host, at } = message;
  // a name that the mail's own server does not own must not look like one that it does
  const domain = `${host.replaceAll(/[^A-Za-z0-9.-]/g, '-')}.goodgateway.invalid`;
  const thread = incident === undefined ? undefined : `<${incident}@${domain}>`;
  return {
    from,
    to: [...to],
    // the same for the whole incident: some mail programs make a thread of nothing else
    subject: code === undefined ? `${service ?? 'goodgateway'} on ${host}: ${message.lines[0]?.slice(0, 100) ?? ''}` : `${service ?? 'goodgateway'} on ${host}: incident ${code}`,
    text: `${textOf(message)}\n`,
    date: new Date(at),
    messageId: `<${id}@${domain}>`,
    ...(thread === undefined ? {} : { inReplyTo: thread, references: thread }),
    headers: { 'Auto-Submitted': 'auto-generated', 'X-Auto-Response-Suppress': 'All', 'X-Goodgateway-Event': message.event },
  };
}

interface SmtpError {
  readonly message?: string;
  readonly code?: unknown;
  readonly responseCode?: unknown;
  readonly response?: unknown;
  readonly command?: unknown;
}

/** Refused for a while (greylisting): all get it again, with the same id. Refused for good: the others have it. */
function judgeRefusals(errors: readonly SmtpError[], count: number): SendOutcome {
  if (errors.length === 0) return { kind: 'sent' };
  const detail = `${errors.length} of ${count} recipients were refused: ${wordsWithout([], String(errors[0]?.response ?? ''))}`;
  const isForAWhile = errors.some(({ responseCode }) => typeof responseCode === 'number' && responseCode < 500);
  return isForAWhile ? { kind: 'failed', retry: true, detail } : { kind: 'sent', detail };
}

function failed(error: unknown, { server, late, secrets }: { readonly server: string; readonly late: boolean; readonly secrets: readonly (string | undefined)[] }): SendOutcome {
  if (late) return { kind: 'failed', retry: true, detail: `${server} did not take the mail in time` };
  const { code, responseCode, response, command }: SmtpError = error instanceof Error ? error : {};
  const words = typeof response === 'string' ? `: ${wordsWithout(secrets, response)}` : '';
  // what is said to the text itself will be said again; a login or a recipient may be put right
  const isFinal = command === 'DATA' && typeof responseCode === 'number' && responseCode >= 500;
  return {
    kind: 'failed',
    retry: !isFinal,
    detail: `${server} did not take the mail (${typeof code === 'string' ? code : 'unknown error'}${typeof command === 'string' ? ` at ${command}` : ''})${words}`,
  };
}
