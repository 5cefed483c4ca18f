/**
 * The recovery policy language: nouns and verbs that people know, no expressions, no templates, no loops.
 * Conditions are words; anything cleverer is a program called by `run`.
 */
import { z } from 'zod';
import { actionNames } from '../core/decision.ts';
import { causeNames, confidences } from '../core/diagnosis.ts';
import { failureKinds } from '../core/failure.ts';
import { absolutePath, address, command, duration, movedTo, name, notYet, oneOrMany, share, size } from './values.ts';

const sentence = z.string({ error: 'expected a sentence' }).min(3).max(200);
const cause = z.enum(causeNames, { error: 'expected the name of a cause' });
const action = z.enum(actionNames, { error: 'expected the name of an action' });

const signalOrCommand = z.union([
  z.strictObject({
    signal: z.enum(['HUP', 'USR1', 'USR2', 'QUIT', 'TERM', 'INT', 'WINCH'], { error: 'expected a signal: HUP, USR1, USR2, QUIT, TERM, INT or WINCH' }),
    timeout: duration().prefault('10s').describe('How long to wait for it to work before a stop becomes KILL.'),
  }),
  command(),
], { error: 'expected { signal: QUIT, timeout: 10s } or a command as a list' });

const shared = {
  config_test: command().optional().describe('Must exit 0 before reload and restart. Default: per type.'),
  config_test_timeout: duration().prefault('1m'),
  defer_to_supervisor: duration().optional().describe('Wait for systemd\'s own restart first. Default: RestartSec + 2s while it is restarting.'),
  stop_timeout: duration().prefault('10s'),
  listen: z.array(address()).optional().describe('Where the service listens. Default: the upstreams of its gateways.'),
  log: oneOrMany(absolutePath()).optional().describe('Log files to read when something is wrong.'),
  status: z.strictObject({ fpm: address().describe('pm.status_listen, or the pool\'s own socket.'), path: z.string().startsWith('/', { error: 'expected a path such as /status' }) }).optional(),
  pool: absolutePath().optional().describe('php-fpm\'s configuration file, for pm.max_children. Default: found from the start command or the unit.'),
  start_period: duration().prefault('0s').describe('After a start, failures do not count for so long.'),
};

const service = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('systemd'), unit: z.string().regex(/^[A-Za-z0-9:_.@\\-]+\.service$/, { error: 'expected one unit name such as php8.2-fpm.service' }), ...shared }),
  z.strictObject({ type: z.literal('init'), script: absolutePath(), pidfile: absolutePath(), ...shared }),
  z.strictObject({
    type: z.literal('process'),
    pidfile: absolutePath().optional().describe('Without it goodgateway starts the command in the foreground and remembers its pid.'),
    start: command(),
    stop: signalOrCommand.prefault({ signal: 'TERM', timeout: '10s' }),
    reload: signalOrCommand.optional(),
    user: z.string().optional(),
    folder: absolutePath().optional(),
    environment: z.record(z.string(), z.string({ error: 'expected text; put numbers in quotes' })).optional(),
    output: absolutePath().optional().describe('File that receives the output of a command without pidfile. Default: <state>/<service>.out'),
    ...shared,
  }),
  z.strictObject({ type: z.literal('external'), ...shared }),
  z.looseObject({ type: z.literal('docker') }).describe('Not built in this version: refused.'),
], { error: 'expected systemd, init, process or external (docker: not yet)' }).superRefine((value, context) => {
  if (value.type === 'docker') context.addIssue({ code: 'custom', message: 'not yet: services of type docker are not built in this version', path: ['type'] });
});

/** Names of groups of failure kinds, and symptoms that are no failure of a request. */
export const symptomGroups = {
  connection_failed: ['connection_refused', 'connection_timeout', 'destination_unavailable', 'destination_ip_unroutable', 'dns_error', 'dns_timeout'],
  no_answer: ['http_response_timeout', 'connection_timeout', 'connection_read_timeout'],
  bad_answer: ['http_protocol_error', 'http_response_incomplete', 'connection_terminated', 'http_response_header_section_size', 'http_response_header_size', 'http_response_transfer_coding'],
} as const;
const symptom = z.enum([...failureKinds, 'connection_failed', 'no_answer', 'bad_answer', 'status_5xx', 'probe_failed', 'unit_failed', 'no_progress'], { error: 'expected a failure kind or a group: connection_failed, no_answer, bad_answer, no_progress, probe_failed, unit_failed' });

const threshold = z.strictObject({
  times: z.int().min(1).max(10_000).default(3),
  within: duration().prefault('10s'),
  share: share().optional().describe('Also at least this share of the requests in that time.'),
});

const detect = z.strictObject({
  name: z.string().min(1).max(200),
  if: oneOrMany(symptom),
  for: threshold.prefault({}),
});

const rung = z.strictObject({
  do: action,
  with: z.record(z.string(), z.unknown()).optional().describe('Options of the action; the action itself checks them.'),
  first: z.array(z.enum(['config_test'], { error: 'expected config_test' })).default([]).describe('Checks before the action. config_test is always made before reload and restart.'),
  attempts: z.int().min(1).max(10).default(1),
  timeout: duration().prefault('1m'),
  approval: notYet('approval'),
  undo: notYet('undo'),
});

const rule = z.strictObject({
  name: sentence.describe('A sentence. The page, the audit log and messages use it.'),
  when: z.strictObject({
    cause: oneOrMany(cause),
    confidence: z.enum(confidences, { error: 'expected possible, likely or certain' }).default('likely').describe('At least this sure. `unknown` ignores it.'),
    lasting: duration().prefault('0s').describe('The cause must have been the same for so long; until then the rule is pending and no later rule is tried.'),
  }),
  never: z.array(action).default([]).describe('Actions that this rule forbids. Wins over everything.'),
  try: z.array(rung).min(1, { error: 'expected at least one step' }).describe('Lightest first.'),
  notify: z.array(name()).default([]),
});

const check = z.union([
  z.strictObject({ service: z.literal('running') }),
  z.strictObject({ unit: z.literal('active') }),
  z.strictObject({ connect: z.literal('ok') }),
  z.strictObject({ listening: address() }),
  z.strictObject({ fpm_ping: z.literal('pong') }),
  z.strictObject({ http: z.strictObject({ url: z.url({ protocol: /^http$/, error: 'expected a URL such as http://127.0.0.1:8080/health' }), host: z.string().optional(), status: z.string().regex(/^\d{3}(-\d{3})?$/, { error: 'expected a status or a range in quotes, such as "200-399"' }).default('200-499') }) }),
  z.strictObject({ traffic: z.strictObject({ errors_below: share(), min_requests: z.int().min(1).default(5) }) }),
], { error: 'expected one of: service: running, unit: active, connect: ok, listening: host:port, fpm_ping: pong, http: {…}, traffic: {…}' });

const limits = z
  .strictObject({
    cooldown: duration().prefault('1m').describe('Quiet time between incidents, measured from the end of verification.'),
    max_attempts: z.strictObject({ times: z.int().min(1).max(1000), within: duration() }).prefault({ times: 3, within: '1h' }),
    backoff: z
      .strictObject({
        initial: duration().prefault('1s').describe('Between the attempts of one incident.'),
        factor: z.number().min(1).max(10).default(2),
        max: duration().prefault('5m'),
        jitter: share().prefault('20%'),
        reset_after: duration().prefault('10m').describe('Verified health for so long sets the back-off to its beginning.'),
      })
      .prefault({}),
    blast_radius: notYet('blast_radius'),
  })
  .prefault({});

export const policySchema = z.strictObject({
  version: z.literal(1, { error: 'expected 1' }),
  name: name().describe('The service\'s name in gateways, pages and the audit log.'),
  description: z.string().max(500).optional(),
  mode: z.enum(['observe', 'act', 'approve'], { error: 'expected observe (log what it would do) or act' })
    .refine((mode) => mode !== 'approve', { error: 'not yet: mode approve is not built in this version; use observe or act' })
    .describe('observe: log what would be done. act: do it.'),
  service,
  watch: z.strictObject({ every: duration().prefault('1s').describe('How often the healer looks at the service\'s state by itself.'), connect_every: duration().prefault('5s') }).prefault({}),
  depends_on: notYet('depends_on'),
  detect: z.array(detect).default([]).describe('Default: three failures of a kind in ten seconds; a refused connect that the healer confirms by itself counts at once.'),
  hung_after: duration().prefault('15s').describe('Requests in the backend and none finished for so long: looked into as a hang.'),
  evidence: z
    .strictObject({
      capture: notYet('evidence.capture'),
      timeout: duration().prefault('5s'),
      max_size: size().prefault('8MiB'),
      required: notYet('evidence.required'),
    })
    .prefault({}),
  rules: z.array(rule).default([]).describe('The first rule that matches wins. No match: page.'),
  never: z.array(action).default([]).describe('Actions that this policy forbids altogether.'),
  limits,
  verify: z
    .strictObject({
      within: duration().prefault('30s'),
      stable_for: duration().prefault('20s').describe('All checks must go on passing for so long before the incident is closed. Held requests are let go at the first pass.'),
      checks: z.array(check).default([{ connect: 'ok' }]),
    })
    .prefault({}),
  give_up: z.strictObject({ do: z.literal('page').default('page'), retry_after: z.union([z.literal('never'), duration()], { error: 'expected never, or a duration such as 30m' }).default('never') }).prefault({}),
  after_recovery: notYet('after_recovery'),
  while_recovering: z
    .strictObject({
      say: z.string().max(300).optional().describe('A sentence for the page.'),
      hold_requests: movedTo('hold.for of the gateway'),
      // oxlint-disable-next-line unicorn/no-thenable -- a word of the language; its value is text, never a function
      then: z.literal('friendly_page').default('friendly_page'),
    })
    .prefault({}),
  notify: z
    .strictObject({
      to: z.array(name()).default(['ops']),
      events: z.array(z.enum(['started', 'recovered', 'gave_up', 'blocked'])).default(['gave_up']),
      remind_every: notYet('remind_every'),
    })
    .prefault({}),
});

/** A file with several policies. Its entries need no `version` of their own. */
export const policyListSchema = z.strictObject({
  version: z.literal(1, { error: 'expected 1' }),
  policies: z.array(policySchema.extend({ version: z.literal(1, { error: 'expected 1' }).default(1) })).min(1, { error: 'expected at least one policy' }),
});

export type PolicyConfig = z.output<typeof policySchema>;
/** Docker is refused at load ("not yet"), so nothing behind the loader ever sees it. */
export type ServiceConfig = Exclude<PolicyConfig['service'], { readonly type: 'docker' }>;
export type RuleConfig = PolicyConfig['rules'][number];
export type RungConfig = RuleConfig['try'][number];
export type CheckConfig = PolicyConfig['verify']['checks'][number];
