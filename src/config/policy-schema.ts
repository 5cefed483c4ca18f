/**
 * The recovery policy language: nouns and verbs that people know, no expressions, no templates, no loops.
 * Conditions are words; anything cleverer is a program called by `run`.
 */
import { z } from 'zod';
import { actionNames } from '../core/decision.ts';
import { causeNames, confidences } from '../core/diagnosis.ts';
import { failureKinds } from '../core/failure.ts';
import { serviceSchema } from './service-schema.ts';
import { address, duration, movedTo, name, oneOrMany, share, size, version } from './values.ts';

const sentence = z.string({ error: 'expected a sentence' }).min(3).max(200);
const cause = z.enum(causeNames, { error: 'expected the name of a cause' }).meta({ title: 'cause' });
const action = z.enum(actionNames, { error: 'expected the name of an action' }).meta({ title: 'action' });

/** Names of groups of failure kinds. */
export const symptomGroups = {
  connection_failed: [
    ...(['connection_refused', 'connection_timeout', 'destination_unavailable', 'destination_ip_unroutable', 'dns_error', 'dns_timeout'] as const),
    // no right to connect, and a handshake that fails: to reach it is what went wrong
    ...(['proxy_configuration_error', 'tls_protocol_error', 'tls_certificate_error', 'tls_alert_received'] as const),
  ],
  no_answer: ['http_response_timeout', 'connection_timeout', 'connection_read_timeout'],
  bad_answer: ['http_protocol_error', 'http_response_incomplete', 'connection_terminated', 'http_response_header_section_size', 'http_response_header_size', 'http_response_transfer_coding'],
} as const;
/** Symptoms of the language that nothing counts yet, or that are set elsewhere. */
const symptomsElsewhere: Readonly<Record<string, string>> = {
  no_progress: 'a silence is always looked into, after hung_after; remove it here',
  probe_failed: "not yet: failed probes are not counted in this version; the healer's own connects are always looked at",
  unit_failed: "not yet: failed units are not counted in this version; the service's state is always looked at",
};
const symptom = z
  .enum([...failureKinds, 'connection_failed', 'no_answer', 'bad_answer', 'status_5xx'], {
    error: ({ input }) =>
      typeof input === 'string' && Object.hasOwn(symptomsElsewhere, input) ? symptomsElsewhere[input] : 'expected a failure kind, status_5xx, or a group: connection_failed, no_answer or bad_answer',
  })
  .meta({ title: 'failure kind' });

/** What can be kept as a file of evidence; each is one collector. */
export const collectorNames = [
  'unit_status',
  'journal_tail',
  'log_tail',
  'fpm_status_full',
  'worker_stacks',
  'sockets',
  'pressure',
  'oom_kills',
  'disk_usage',
  'coredump_list',
  'container_inspect',
  'container_logs_tail',
] as const;
export type CollectorName = (typeof collectorNames)[number];

/** When receivers are told. */
export const noticeNames = ['started', 'recovered', 'gave_up', 'blocked', 'repeated'] as const;

const threshold = z.strictObject({
  times: z.int().min(1).max(10_000).default(3).describe('At least so many failures of these kinds …'),
  within: duration().prefault('10s').describe('… in so long.'),
  share: share().optional().describe('Also at least this share of the requests in that time. Of status_5xx: 50% where nothing is said.'),
});

const detect = z.strictObject({
  name: z.string().min(1).max(200).describe('For people.'),
  if: oneOrMany(symptom).describe(
    "Failure kinds, or connection_failed, no_answer or bad_answer for a group of them; or status_5xx, the application's own errors. Trap: a request that fails in another way opens no incident then.",
  ),
  for: threshold.prefault({}).describe('How often they must come. Default: three times in ten seconds.'),
});

const approval = z.strictObject({
  from: z.array(name()).min(1, { error: 'expected at least one receiver' }).optional().describe('Who is asked: names under `notifiers:`. Default: those of `notify.to`.'),
  within: duration()
    .refine((ms) => ms >= 1000, { error: 'expected at least 1s: somebody must read the question' })
    .prefault('15m')
    .describe('How long an answer is waited for. A yes is good for as long again, then it is asked for anew.'),
  otherwise: z.enum(['skip', 'do'], { error: 'expected skip or do' }).default('skip').describe('Without an answer: skip goes on with the next step, do acts. Trap: do means that silence is consent.'),
});

const rung = z.strictObject({
  do: action.describe('The action; policies/README.md lists those of this version. Others are refused.'),
  with: z.record(z.string(), z.unknown()).optional().describe('Options of the action; the action itself checks them.'),
  first: z
    .array(z.enum(['config_test', 'disk_free', 'memory_free'], { error: 'expected config_test, disk_free or memory_free' }))
    .default([])
    .describe('Checks before the action. config_test is always made before reload and restart. disk_free, memory_free: at least 5% and 64MiB are free.'),
  attempts: z.int().min(1).max(10).default(1).describe('How often it is tried before the next step.'),
  timeout: duration().prefault('1m').describe('How long one try may take. wait and wait_for take their own `at_most` instead.'),
  approval: approval.optional().describe('A person must agree first, with `goodgateway approve`. Default: nobody is asked, but in mode approve.'),
  undo: z
    .enum(['automatic', 'never'], { error: 'expected automatic or never' })
    .optional()
    .describe(
      'automatic: taken back by itself: switch_upstream when it did not help, shed_load when its incident is over. Only for these two. Default: shed_load automatic, and nothing else is possible; switch_upstream never.',
    ),
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
  notify: z.array(name()).optional().describe('Who is told when this rule is used, beside `notify.to`: names under `notifiers:`.'),
});

const check = z.union(
  [
    z.strictObject({ service: z.literal('running').describe('The service runs, as its own manager or pidfile says.') }),
    z.strictObject({ unit: z.literal('active').describe('The same, for a systemd unit.') }),
    z.strictObject({ connect: z.literal('ok').describe('The upstream takes a connection.') }),
    z.strictObject({ listening: address().describe('This address takes a connection.') }),
    z.strictObject({ container: z.literal('running').describe('The same, for a container.') }),
    z.strictObject({ mysql: z.literal('greeting').describe('MariaDB or MySQL greets whoever connects, without an error such as "Too many connections". No account is needed.') }),
    z.strictObject({ redis: z.literal('PING').describe('Redis answers PING; that it wants a password first is an answer too, that it is still loading is none.') }),
    z.strictObject({ memcached: z.literal('version').describe('memcached answers `version`.') }),
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
  {
    error:
      'expected one of: service: running, unit: active, container: running, connect: ok, listening: host:port, mysql: greeting, redis: PING, memcached: version, fpm_ping: pong, http: {…}, traffic: {…}',
  },
);

const limits = z
  .strictObject({
    cooldown: duration()
      .prefault('1m')
      .describe('Quiet time between incidents, measured from the end of verification. The start of a dead service waits for the back-off only, and never longer than this.'),
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
    blast_radius: z
      .strictObject({
        tenants: z
          .union([z.literal('all'), z.int().min(1)], { error: 'expected all, or how many' })
          .default('all')
          .describe('How many sites stop when this service is disturbed. For people, and for the record.'),
        needs: z.enum(confidences, { error: 'expected possible, likely or certain' }).default('certain').describe('Least confidence in the cause for any action that disturbs it.'),
      })
      .optional()
      .describe('For a service that many share. Raises what actions need, never lowers it.'),
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
    .enum(['observe', 'approve', 'act'], { error: 'expected observe (log what it would do), approve (ask first) or act' })
    .describe('observe: log what would be done. approve: ask before each step that touches the service. act: do it.'),
  service: serviceSchema.describe('What the service is, and how it is controlled.'),
  watch: z
    .strictObject({
      every: atLeast100ms().prefault('1s').describe("How often the healer looks at the service's state by itself. At least 100ms."),
      connect_every: atLeast100ms().prefault('5s').describe('How often it connects to it by itself; two failed connects in a row open an incident. At least 100ms.'),
    })
    .prefault({})
    .describe("The healer's own look, which needs no traffic."),
  depends_on: z.array(name()).default([]).describe('Services, by the names of their policies, that must be well first: while one has an open incident, this one is not disturbed.'),
  detect: z
    .array(detect)
    .default([])
    .describe(
      "Default: three failures of a kind in ten seconds, and status_5xx when half of the answers of 30 seconds, and at least ten, are the application's own errors; a refused connect that the healer confirms by itself counts at once.",
    ),
  hung_after: duration().prefault('15s').describe('Requests in the backend and none finished for so long: looked into as a hang.'),
  evidence: z
    .strictObject({
      capture: z
        .array(z.enum(collectorNames, { error: ({ input }) => `expected the name of a collector: ${collectorNames.join(', ')}; got ${JSON.stringify(input)}` }))
        .default(['unit_status', 'journal_tail', 'log_tail', 'fpm_status_full', 'sockets', 'pressure', 'oom_kills'])
        .describe('What is kept in files before an action that would destroy it. What does not apply to the service is skipped.'),
      timeout: duration().prefault('5s').describe('How long all probes, and all collectors, may take together.'),
      max_size: size().prefault('8MiB').describe('Most bytes that are kept of one incident.'),
      required: z.boolean().default(false).describe('true: without evidence nothing that would destroy it is done. Trap: a full disk then keeps the service down.'),
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
  after_recovery: z
    .strictObject({
      recheck: z.array(name()).default([]).describe('Services, by the names of their policies, that are looked at anew once `settle` is over.'),
      restart: z.array(name()).default([]).describe('Services that are restarted if they did not come back by themselves within `settle`, by their own policies and limits.'),
      settle: duration().prefault('30s').describe('How long those that depend on it get to come back by themselves.'),
    })
    .optional()
    .describe('What is done for those that depend on this service. Default: services whose depends_on names it are looked at anew after 30s.'),
  while_recovering: z
    .strictObject({
      say: z.string().min(3).max(200).optional().describe('A sentence of your own for the page, instead of what goodgateway would say of the repair. Plain text, the same in every language.'),
      hold_requests: movedTo('hold.for of the gateway'),
      // oxlint-disable-next-line unicorn/no-thenable -- a word of the language; its value is text, never a function
      then: z.literal('friendly_page').default('friendly_page').describe('Who waited too long gets the page.'),
    })
    .prefault({})
    .describe('What visitors get meanwhile.'),
  notify: z
    .strictObject({
      to: z.array(name()).default(['ops']).describe('Who is told by `page`: names under `notifiers:` of goodgateway.yaml.'),
      events: z
        .array(z.enum(noticeNames, { error: `expected ${noticeNames.join(', ')}` }))
        .default(['gave_up', 'blocked', 'repeated'])
        .describe(
          'When they are told, beside the action page and questions for approval. started: a repair begins. blocked: nothing can be done without a person. repeated: healed three times in a day.',
        ),
      remind_every: duration()
        .refine((ms) => ms >= 60_000, { error: 'expected at least 1m' })
        .optional()
        .describe('Told again so often while a person is waited for. Default: never.'),
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
export type ServiceConfig = PolicyConfig['service'];
export type RuleConfig = PolicyConfig['rules'][number];
export type RungConfig = RuleConfig['try'][number];
export type CheckConfig = PolicyConfig['verify']['checks'][number];
