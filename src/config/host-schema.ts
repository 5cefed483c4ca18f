/**
 * goodgateway.yaml: everything that belongs to the host. Each field says its meaning, default, unit and trap;
 * the reference page and the JSON Schema for editors are made from here.
 */
import { z } from 'zod';
import { accessLogSchema } from './access-log-schema.ts';
import { adminSchema } from './admin-schema.ts';
import { auditSchema } from './audit-schema.ts';
import { monitorSchema } from './monitor-schema.ts';
import { notifierSchema } from './notifier-schema.ts';
import { safetySchema } from './safety-schema.ts';
import { absolutePath, address, duration, name, notYet, oneOrMany, size, version } from './values.ts';

const timeouts = z
  .strictObject({
    connect: duration().prefault('1s').describe('How long one connect may take. Short: a healthy local backend answers in microseconds. Not the time a request may wait (hold.for).'),
    response: duration()
      .prefault('5m')
      .describe("How long the backend may take until its first byte. Trap: nginx's own read timeout must be at least hold.for + response + 5s, or nginx gives up first."),
    idle: duration().prefault('1m').describe('Longest silence inside an answer that has begun.'),
  })
  .prefault({});

const hold = z
  .strictObject({
    for: duration().prefault('15s').describe('Longest wait of a request that was not sent, while the backend is away.'),
    fetch_for: duration().optional().describe('The same for fetch() and XHR, whose callers give up sooner. Default: 5s, or `for` where that is shorter. Never longer than `for`.'),
    requests: z
      .int({ error: 'expected a whole number' })
      .min(0)
      .max(100_000)
      .default(200)
      .describe('Most requests that wait at once. Trap: each costs the front nginx two of its worker_connections; stay below worker_connections x workers / 8.'),
    memory: size().prefault('64MiB').describe('Most bytes kept for bodies that may have to be sent again. Unsent bodies are not kept at all.'),
    fairness: z
      .enum(['client', 'none'], { error: 'expected client or none' })
      .default('client')
      .describe(
        'client: who waits takes turns by client address, and a full queue makes room for a new address. While load is shed, it decides by the address whose pages are let in. Trap: say none where nginx sees only the addresses of a CDN or of a shared proxy.',
      ),
    never: z
      .strictObject({
        paths: z.array(z.string()).default(['/livez', '/readyz', '/healthz', '/health', '/ping', '/status']).describe('Paths of health checks: answered at once, never held.'),
        user_agents: z.array(z.string()).default(['kube-probe', 'ELB-HealthChecker', 'GoogleHC', 'HAProxy', 'Uptime']).describe('Beginnings of User-Agent values of health checks.'),
      })
      .prefault({})
      .describe('Requests that are answered at once, never held.'),
  })
  .superRefine((value, context) => {
    if (value.fetch_for !== undefined && value.fetch_for > value.for)
      context.addIssue({ code: 'custom', message: 'expected at most the time of `for`: a fetch never waits longer than a page', path: ['fetch_for'] });
  })
  .transform((value) => ({ ...value, fetch_for: value.fetch_for ?? Math.min(5000, value.for) }))
  .prefault({});

const socket = z.strictObject({
  owner: z.string().optional().describe('Owner of the listening socket: a name in /etc/passwd, or a number. Default: the user that runs the proxy.'),
  group: z
    .string()
    .optional()
    .describe('Group of the listening socket: nginx\'s group, by its name in /etc/group or its number. Trap: without it nginx gets "permission denied" and silently uses the backup.'),
  mode: z
    .string({ error: 'expected the mode in quotes, such as "0660"' })
    .regex(/^0?[0-7]{3}$/, { error: 'expected a mode in quotes, such as "0660"' })
    .default('0660')
    .describe('Permission bits, in quotes.'),
});

const replay = z
  .strictObject({
    idempotency_key: z.boolean().default(false).describe('Send a POST again when it carries Idempotency-Key. Trap: only where the application honours the header.'),
    paths: z.array(z.string()).default([]).describe('Beginnings of paths whose requests are safe to send again, POST too. Trap: the application must do the same thing once when it is asked twice.'),
    statuses: z
      .array(z.int({ error: 'expected a whole number' }).min(500, { error: 'expected a status from 500 to 599' }).max(599, { error: 'expected a status from 500 to 599' }))
      .default([])
      .describe(
        "Answers of the backend after which an idempotent request is asked once more, after its Retry-After; the backend's last answer is passed on. Trap: an overloaded backend gets more to do.",
      ),
    after_timeout: z.boolean().default(false).describe('Send an idempotent request again after a timeout, too. Trap: the request may be what the backend chokes on.'),
    never_paths: z.array(z.string()).optional().describe('Beginnings of paths whose sent requests are never sent again, whatever the method.'),
    never_query: z.array(z.string()).optional().describe('Parameter names whose sent requests are never sent again.'),
  })
  .prefault({});

const fallback = z
  .strictObject({
    title: z.string().max(200).optional().describe('Headline of the page, the same in every language. Default: "We\'ll be right back", in the language of the visitor.'),
    contact: z.string().max(200).optional().describe('A status page or an address. A web address (https:// or http://) or a mail address becomes a link.'),
    status: z
      .enum(['unavailable', 'exact'], { error: 'expected unavailable or exact' })
      .default('unavailable')
      .describe('unavailable: always 503 (CDNs replace 502 and 504 by their own pages); exact: 502, 503 or 504 by failure.'),
    folder: absolutePath()
      .optional()
      .describe('Your own page and texts: page.html, and one LANGUAGE.txt for each language. Read at the start and by SIGHUP. Default: the pages that come with goodgateway.'),
  })
  .prefault({});

const upstreamTls = z.strictObject({
  server_name: z.string().optional().describe('Name that the certificate must have, also sent as SNI. Default: the host of `upstream`.'),
  ca: absolutePath().optional().describe('PEM file with the authorities to trust. Default: those of Node.'),
  verify: z.boolean().default(true).describe('Trap: false accepts any certificate.'),
});

export const gatewaySchema = z.strictObject({
  listen: oneOrMany(address()).describe('Where nginx finds this gateway: unix:/path or 127.0.0.1:port; a list is fine.'),
  socket: socket.prefault({}).describe('Who may use the unix sockets of `listen`.'),
  listen_on_tcp_anyway: z.boolean().default(false).describe("A FastCGI listener on TCP lets any local user run code as the pool's user; it is refused unless this says true."),
  protocol: z.enum(['http', 'fastcgi'], { error: 'expected http or fastcgi' }).describe('What nginx speaks here, and the backend there: http for proxy_pass, fastcgi for fastcgi_pass.'),
  upstream: address().describe('Where the backend listens.'),
  also_allowed: z.array(address()).default([]).describe('The only other places that the upstream may be switched to. Default: none.'),
  service: name().describe('The policy that looks after this backend.'),
  timeouts: timeouts.describe('How long the backend may take.'),
  hold: hold.describe('Requests that wait while the backend is away.'),
  replay: replay.describe('Which requests that were sent, and got no answer, are sent once more. GET, HEAD, PUT, DELETE and their like are, once; a POST only by idempotency_key.'),
  concurrency: z
    .union([z.literal('auto'), z.literal('none'), z.int().min(1).max(100_000)], { error: 'expected auto, none or a whole number' })
    .default('auto')
    .describe("Most requests in the backend at once; the rest wait here. auto: php-fpm's pm.max_children, as the healer reads it."),
  keepalive: z
    .union([z.literal('auto'), z.literal('none'), z.int().min(1).max(10_000)], { error: 'expected auto, none or a whole number' })
    .default('auto')
    .describe(
      'Most connections to the backend that are kept for the next request, each idle for a second at most. auto: 64 for http; for fastcgi pm.max_children less a reserve, none while it is not known. Trap: a kept connection occupies a php-fpm worker.',
    ),
  tls: upstreamTls.optional().describe('Speak TLS to the backend (protocol http only). Default: plain HTTP.'),
  early_hints: z.boolean().default(false).describe('Pass 103 Early Hints and other interim answers on. Trap: nginx before 1.29 waits for ever after one.'),
  quarantine: z
    .strictObject({ for: duration().prefault('10m').describe('How long a request that killed its worker twice is answered by the page, and not tried. 0s: it is tried.') })
    .prefault({})
    .describe('Requests of death.'),
  fallback: fallback.describe('What visitors read when the backend could not answer.'),
  client_address: z.string().optional().describe("Header that carries the visitor's address, such as X-Forwarded-For. Default: nginx is believed on unix sockets."),
  trust_forwarded: notYet('trust_forwarded'),
  standby: z.boolean().default(false).describe('nginx asks the backend itself and this gateway only as its `backup` server. Needs nginx_error_log: the traffic that fails is not seen here.'),
  nginx_error_log: absolutePath()
    .optional()
    .describe("The error log of the nginx in front; the healer reads in it what nginx says about this backend. Trap: the healer's user must be able to read it (group adm on Debian)."),
});

export const hostSchema = z.strictObject({
  version: version(),
  gateways: z
    .record(name(), gatewaySchema, { error: 'expected at least one gateway below it' })
    .refine((gateways) => Object.keys(gateways).length > 0, { error: 'expected at least one gateway below it' })
    .describe('By name: letters, digits, ".", "_" or "-". Each is one backend behind one or several addresses of its own.'),
  admin: adminSchema.optional().describe('Where dashboard, metrics and health are served: an address, or `listen:` and more below it. Loopback or unix. Read-only.'),
  policies: oneOrMany(z.string()).default(['policies.d/*.yaml']).describe('Policy files; relative to this file; * matches within one folder. Default: policies.d/*.yaml.'),
  signatures: oneOrMany(z.string())
    .default(['signatures.d/*.yaml'])
    .describe(
      'Files with your own kinds of log lines, beside those that come with goodgateway; relative to this file; * matches within one folder. Default: signatures.d/*.yaml, where there are any.',
    ),
  audit: auditSchema.describe('The record of everything that was seen, decided and done.'),
  state: absolutePath().default('/var/lib/goodgateway').describe('Counters, pauses and open intents; must survive a reboot.'),
  runtime: absolutePath().default('/run/goodgateway').describe('The sockets between proxy, healer and operator.'),
  proxy: z
    .strictObject({
      user: z.string().optional().describe('User that the proxy runs as, by its name in /etc/passwd. Default: the one that starts goodgateway. Trap: as root it has rights that it never needs.'),
      group: z
        .string()
        .optional()
        .describe("Group that the proxy runs as. Default: the user's own. Trap: it must be able to open the backend's socket, and to give its own sockets to nginx: on Debian www-data."),
    })
    .prefault({})
    .describe('The process that touches what comes from the network.'),
  notifiers: z
    .record(name(), notifierSchema)
    .prefault({ ops: { type: 'log' } })
    .describe('Who can be told. `ops` exists always; without an entry it is the process log.'),
  monitor: monitorSchema.optional().describe('Who notices that goodgateway itself is dead. Default: nobody outside this host.'),
  safety: z
    .union([safetySchema, z.string()], { error: 'expected the limits themselves, or the path of a file that holds them' })
    .prefault({})
    .describe('Limits of the whole host, which no policy can exceed; or the path of a file that holds `version: 1` and `safety:`.'),
  access_log: accessLogSchema,
  log: z
    .strictObject({ level: z.enum(['debug', 'info', 'warn', 'error']).default('info').describe('The least important line that the processes write to standard error.') })
    .prefault({})
    .describe('The log of the processes themselves.'),
});

export type GatewayConfig = z.output<typeof gatewaySchema>;
export type HostConfig = z.output<typeof hostSchema>;
