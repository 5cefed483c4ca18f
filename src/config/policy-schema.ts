/**
 * The recovery policy language: nouns and verbs that people know, no expressions, no templates, no loops.
 * Conditions are words; anything cleverer is a program called by `run`.
 */
import { z } from 'zod';
import { actionNames } from '../core/decision.ts';
import { causeNames, confidences } from '../core/diagnosis.ts';
import { failureKinds } from '../core/failure.ts';
import { version } from './host-schema.ts';
import { absolutePath, address, command, duration, movedTo, name, notYet, oneOrMany, share } from './values.ts';

const sentence = z.string({ error: 'expected a sentence' }).min(3).max(200);
const cause = z.enum(causeNames, { error: 'expected the name of a cause' }).meta({ title: 'cause' });
const action = z.enum(actionNames, { error: 'expected the name of an action' }).meta({ title: 'action' });

const signalOrCommand = z.union(
  [
    z.strictObject({
      signal: z.enum(['HUP', 'USR1', 'USR2', 'QUIT', 'TERM', 'INT', 'WINCH'], { error: 'expected a signal: HUP, USR1, USR2, QUIT, TERM, INT or WINCH' }).describe('Sent to the main process.'),
      timeout: duration().prefault('10s').describe('How long to wait for it to work before a stop becomes KILL.'),
    }),
    command(),
  ],
  { error: 'expected { signal: QUIT, timeout: 10s } or a command as a list' },
);

const shared = {
  config_test: command().optional().describe('Must exit 0 before reload and restart. Default: per type.'),
  config_test_timeout: duration().prefault('1m').describe('How long the configuration test may take. A test that does not end in time does not pass.'),
  defer_to_supervisor: duration().optional().describe("Wait for systemd's own restart first. Default: RestartSec + 2s while it is restarting."),
  stop_timeout: duration().prefault('10s').describe('How long a stop by a command or a script may take before KILL. A stop by signal has its own `timeout`.'),
  listen: z.array(address()).optional().describe('Where the service listens. Default: the upstreams of its gateways.'),
  log: oneOrMany(absolutePath()).optional().describe('Log files to read when something is wrong.'),
  status: z
    .strictObject({
      fpm: address().describe("pm.status_listen, or the pool's own socket."),
      path: z.string().startsWith('/', { error: 'expected a path such as /status' }).describe('pm.status_path.'),
    })
    .optional()
    .describe("php-fpm's status page. Without it busy workers are counted from /proc, which needs root."),
  pool: absolutePath().optional().describe("php-fpm's configuration file, for pm.max_children. Default: found from the start command or the unit."),
  start_period: notYet('start_period'),
};

const service = z
  .discriminatedUnion(
    'type',
    [
      z.strictObject({
        type: z.literal('systemd').describe('A unit of systemd, asked and controlled through systemctl.'),
        unit: z
          .string()
          .regex(/^[A-Za-z0-9:_.@\\-]+\.service$/, { error: 'expected one unit name such as php8.2-fpm.service' })
          .describe('One unit, with `.service`.'),
        ...shared,
      }),
      z.strictObject({
        type: z.literal('init').describe('An init script and a pidfile.'),
        script: absolutePath().describe('Called with start, stop and reload, such as /etc/init.d/php8.2-fpm.'),
        pidfile: absolutePath().describe('Where the service writes the number of its main process.'),
        ...shared,
      }),
      z.strictObject({
        type: z.literal('process').describe('A plain process: with a pidfile a daemon, without one a command that goodgateway starts itself.'),
        pidfile: absolutePath().optional().describe('Without it goodgateway starts the command in the foreground and remembers its pid.'),
        start: command().describe('Starts it. With a pidfile the command must end once the daemon runs; without one it must stay.'),
        stop: signalOrCommand.prefault({ signal: 'TERM', timeout: '10s' }).describe('Stops it. Default: TERM, and after 10s KILL.'),
        reload: signalOrCommand.optional().describe('Lets it read its configuration anew. Without it the action `reload` is refused.'),
        user: z.string().optional().describe('User that the commands run as. Default: the user that runs the healer.'),
        folder: absolutePath().optional().describe('Working folder of the commands.'),
        environment: z
          .record(z.string(), z.string({ error: 'expected text; put numbers in quotes' }))
          .optional()
          .describe('Environment variables of the commands.'),
        output: absolutePath().optional().describe('File that receives the output of a command without pidfile. Default: SERVICE.out in the folder `state`.'),
        ...shared,
      }),
      z.strictObject({ type: z.literal('external').describe("A service on another machine or in somebody else's hands: looked at from outside, never controlled."), ...shared }),
      z.looseObject({ type: z.literal('docker') }).describe('Not built in this version: refused.'),
    ],
    { error: 'expected systemd, init, process or external (docker: not yet)' },
  )
  .superRefine((value, context) => {
    if (value.type === 'docker') context.addIssue({ code: 'custom', message: 'not yet: services of type docker are not built in this version', path: ['type'] });
  });

/** Names of groups of failure kinds. */
export const symptomGroups = {
  connection_failed: ['connection_refused', 'connection_timeout', 'destination_unavailable', 'destination_ip_unroutable', 'dns_error', 'dns_timeout'],
  no_answer: ['http_response_timeout', 'connection_timeout', 'connection_read_timeout'],
  bad_answer: ['http_protocol_error', 'http_response_incomplete', 'connection_terminated', 'http_response_header_section_size', 'http_response_header_size', 'http_response_transfer_coding'],
} as const;
/** Symptoms of the language that nothing counts yet, or that are set elsewhere. */
const symptomsElsewhere: Readonly<Record<string, string>> = {
  no_progress: 'a silence is always looked into, after hung_after; remove it here',
  status_5xx: "not yet: the application's own errors are not counted in this version; remove it",
  probe_failed: "not yet: failed probes are not counted in this version; the healer's own connects are always looked at",
  unit_failed: "not yet: failed units are not counted in this version; the service's state is always looked at",
};
const symptom = z
  .enum([...failureKinds, 'connection_failed', 'no_answer', 'bad_answer'], {
    error: ({ input }) =>
      typeof input === 'string' && Object.hasOwn(symptomsElsewhere, input) ? symptomsElsewhere[input] : 'expected a failure kind or a group: connection_failed, no_answer or bad_answer',
  })
  .meta({ title: 'failure kind' });

const threshold = z.strictObject({
  times: z.int().min(1).max(10_000).default(3).describe('At least so many failures of these kinds …'),
  within: duration().prefault('10s').describe('… in so long.'),
  share: share().optional().describe('Also at least this share of the requests in that time.'),
});

const detect = z.strictObject({
  name: z.string().min(1).max(200).describe('For people.'),
  if: oneOrMany(symptom).describe('Failure kinds, or connection_failed, no_answer or bad_answer for a group of them. Trap: a request that fails in another way opens no incident then.'),
  for: threshold.prefault({}).describe('How often they must come. Default: three times in ten seconds.'),
});

const rung = z.strictObject({
  do: action.describe('The action; policies/README.md lists those of this version. Others are refused.'),
  with: z.record(z.string(), z.unknown()).optional().describe('Options of the action; the action itself checks them.'),
  first: z
    .array(z.enum(['config_test'], { error: 'expected config_test' }))
    .default([])
    .describe('Checks before the action. config_test is always made before reload and restart.'),
  attempts: z.int().min(1).max(10).default(1).describe('How often it is tried before the next step.'),
  timeout: duration().prefault('1m').describe('How long one try may take.'),
  approval: notYet('approval'),
  undo: notYet('undo'),
});

const rule = z.strictObject({
  name: sentence.describe('A sentence. The page, the audit log and messages use it.'),
  when: z
    .strictObject({
      cause: oneOrMany(cause).describe('One of these causes; policies/README.md lists those that this version finds.'),
      confidence: z.enum(confidences, { error: 'expected possible, likely or certain' }).default('likely').describe('At least this sure. `unknown` ignores it.'),
      lasting: duration().prefault('0s').describe('The cause must have been the same for so long; until then the rule is pending and no later rule is tried.'),
    })
    .describe('When the rule applies.'),
  never: z.array(action).default([]).describe('Actions that this rule forbids. Wins over everything.'),
  try: z.array(rung).min(1, { error: 'expected at least one step' }).describe('Lightest first.'),
  notify: notYet('notify of a single rule'),
});

const check = z.union(
  [
    z.strictObject({ service: z.literal('running').describe('The service runs, as its own manager or pidfile says.') }),
    z.strictObject({ unit: z.literal('active').describe('The same, for a systemd unit.') }),
    z.strictObject({ connect: z.literal('ok').describe('The upstream takes a connection.') }),
    z.strictObject({ listening: address().describe('This address takes a connection.') }),
    z.strictObject({ fpm_ping: z.literal('pong').describe('php-fpm answers its ping page. Skipped where `service.pool` names no file with a ping.path.') }),
    z.strictObject({
      http: z
        .strictObject({
          url: z.url({ protocol: /^http$/, error: 'expected a URL such as http://127.0.0.1:8080/health' }).describe('Where to ask; http only.'),
          host: z.string().optional().describe('Value of the Host header. Default: that of the URL.'),
          status: z
            .string()
            .regex(/^\d{3}(-\d{3})?$/, { error: 'expected a status or a range in quotes, such as "200-399"' })
            .default('200-499')
            .describe('The status, or the range of them, that passes; in quotes.'),
        })
        .describe('A request gets an answer.'),
    }),
    z.strictObject({
      traffic: z
        .strictObject({ errors_below: share().describe('So few of the real requests fail.'), min_requests: z.int().min(1).default(5).describe('With fewer requests the check is skipped.') })
        .describe('What real requests got since the first pass.'),
    }),
  ],
  { error: 'expected one of: service: running, unit: active, connect: ok, listening: host:port, fpm_ping: pong, http: {…}, traffic: {…}' },
);

const limits = z
  .strictObject({
    cooldown: duration().prefault('1m').describe('Quiet time between incidents, measured from the end of verification.'),
    max_attempts: z
      .strictObject({ times: z.int().min(1).max(1000).describe('So many attempts …'), within: duration().describe('… in so long.') })
      .prefault({ times: 3, within: '1h' })
      .describe('Most attempts, of all incidents of this service together. Default: three in an hour.'),
    backoff: z
      .strictObject({
        initial: duration().prefault('1s').describe('Between the attempts of one incident.'),
        factor: z.number().min(1).max(10).default(2).describe('Each pause is so many times the one before.'),
        max: duration().prefault('5m').describe('The longest pause.'),
        jitter: share().prefault('20%').describe('Each pause is longer or shorter by up to this share, so that hosts do not act in step.'),
        reset_after: duration().prefault('10m').describe('Verified health for so long sets the back-off to its beginning.'),
      })
      .prefault({})
      .describe('Growing pauses within an incident.'),
    blast_radius: notYet('blast_radius'),
  })
  .prefault({});

/** A look costs a process's start or a connection; more often than this it would be a load of its own. */
function atLeast100ms() {
  return duration().refine((ms) => ms >= 100, { error: 'expected at least 100ms' });
}

export const policySchema = z.strictObject({
  version: version(),
  name: name().describe("The service's name in gateways, pages and the audit log."),
  description: z.string().max(500).optional().describe('For people.'),
  mode: z
    .enum(['observe', 'act', 'approve'], { error: 'expected observe (log what it would do) or act' })
    .refine((mode) => mode !== 'approve', { error: 'not yet: mode approve is not built in this version; use observe or act' })
    .describe('observe: log what would be done. act: do it. approve: not yet.'),
  service: service.describe('What the service is, and how it is controlled.'),
  watch: z
    .strictObject({
      every: atLeast100ms().prefault('1s').describe("How often the healer looks at the service's state by itself. At least 100ms."),
      connect_every: atLeast100ms().prefault('5s').describe('How often it connects to it by itself; two failed connects in a row open an incident. At least 100ms.'),
    })
    .prefault({})
    .describe("The healer's own look, which needs no traffic."),
  depends_on: notYet('depends_on'),
  detect: z.array(detect).default([]).describe('Default: three failures of a kind in ten seconds; a refused connect that the healer confirms by itself counts at once.'),
  hung_after: duration().prefault('15s').describe('Requests in the backend and none finished for so long: looked into as a hang.'),
  evidence: z
    .strictObject({
      capture: notYet('evidence.capture'),
      timeout: duration().prefault('5s').describe('How long all probes together may take.'),
      max_size: notYet('evidence.max_size'),
      required: notYet('evidence.required'),
    })
    .prefault({})
    .describe('The look that is taken before anything is done.'),
  rules: z.array(rule).default([]).describe('The first rule that matches wins. No match: page.'),
  never: z.array(action).default([]).describe('Actions that this policy forbids altogether.'),
  limits: limits.describe('Hard limits, whatever the rules say.'),
  verify: z
    .strictObject({
      within: duration()
        .refine((ms) => ms > 0, { error: 'expected more than 0s: the first look takes time' })
        .prefault('30s')
        .describe('All checks must have passed at once within so long after an action.'),
      stable_for: duration().prefault('20s').describe('All checks must go on passing for so long before the incident is closed. Held requests are let go at the first pass.'),
      checks: z
        .array(check)
        .default([{ connect: 'ok' }])
        .describe('What must pass. Default: the upstream takes a connection.'),
    })
    .prefault({})
    .describe('When it counts as healed.'),
  give_up: z
    .strictObject({
      do: z.literal('page').default('page').describe('Tell somebody.'),
      retry_after: z
        .union([z.literal('never'), duration()], { error: 'expected never, or a duration such as 30m' })
        .default('never')
        .describe('After so long one further attempt is made, with the heaviest step of the rule. Default: never.'),
    })
    .prefault({})
    .describe('When every step was tried and did not help.'),
  after_recovery: notYet('after_recovery'),
  while_recovering: z
    .strictObject({
      say: notYet('a sentence of your own for the page'),
      hold_requests: movedTo('hold.for of the gateway'),
      // oxlint-disable-next-line unicorn/no-thenable -- a word of the language; its value is text, never a function
      then: z.literal('friendly_page').default('friendly_page').describe('Who waited too long gets the page.'),
    })
    .prefault({})
    .describe('What visitors get meanwhile.'),
  notify: z
    .strictObject({
      to: z.array(name()).default(['ops']).describe('Who is told by `page`: names under `notifiers:` of goodgateway.yaml.'),
      events: notYet('notify.events'),
      remind_every: notYet('remind_every'),
    })
    .prefault({})
    .describe('Who is told.'),
});

/** A file with several policies. Its entries need no `version` of their own. */
export const policyListSchema = z.strictObject({
  version: version(),
  policies: z.array(policySchema.extend({ version: version().default(1) })).min(1, { error: 'expected at least one policy' }),
});

export type PolicyConfig = z.output<typeof policySchema>;
/** Docker is refused at load ("not yet"), so nothing behind the loader ever sees it. */
export type ServiceConfig = Exclude<PolicyConfig['service'], { readonly type: 'docker' }>;
export type RuleConfig = PolicyConfig['rules'][number];
export type RungConfig = RuleConfig['try'][number];
export type CheckConfig = PolicyConfig['verify']['checks'][number];
