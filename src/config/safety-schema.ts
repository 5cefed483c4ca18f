/** Limits of the whole host, in goodgateway.yaml or in a file of their own. Policies can be stricter, never looser. */
import { z } from 'zod';
import { actionNames } from '../core/decision.ts';
import { absolutePath, duration, name, notYet, share, size, version } from './values.ts';

const days = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'] as const;

/** One reason to leave everything alone for a while: a word, or a word with a value. */
const pauseReason = z.union(
  [
    z.enum(['package_manager_running', 'unit_job_pending', 'deploy_running']),
    z.strictObject({ booted_less_than: duration().describe('So soon after the start of the host. Never holds up the start of a service that crashed.') }),
    z.strictObject({
      release_younger_than: z
        .strictObject({
          path: absolutePath().describe('A link or file that every deploy replaces, such as /var/www/current.'),
          age: duration().prefault('10m').describe('So long after it was replaced.'),
        })
        .describe('A release was put in place lately.'),
    }),
    z.strictObject({
      disk_free_below: z
        .strictObject({ path: absolutePath().describe('Any path on the disk.'), size: size().describe('Fewer free bytes than this.') })
        .describe('The disk is full: a restart would lose what is not written.'),
    }),
  ],
  { error: 'expected package_manager_running, unit_job_pending, deploy_running, booted_less_than: 60s, release_younger_than: {…} or disk_free_below: {…}' },
);

const maintenanceWindow = z.strictObject({
  name: z.string().min(1).max(100).describe('For people, and for the record.'),
  every: z
    .string({ error: 'expected a time of day, such as "02:00-03:30"' })
    .regex(/^([01]\d|2[0-3]):[0-5]\d-([01]\d|2[0-3]):[0-5]\d$/, { error: 'expected a time of day from - to in quotes, such as "02:00-03:30"' })
    .refine((text) => text.slice(0, 5) !== text.slice(6), { error: 'expected two different times' })
    .describe('From - to, in quotes. May go over midnight: "23:00-01:00" begins on the days of `days`.'),
  days: z
    .array(z.enum(days, { error: `expected ${days.join(', ')}` }))
    .min(1, { error: 'expected at least one day' })
    .default([...days])
    .describe('Days of the week on which it begins. Default: every day.'),
  timezone: z
    .string({ error: 'expected a time zone such as Europe/Madrid or UTC' })
    .refine(isTimezone, { error: 'expected a time zone such as Europe/Madrid or UTC' })
    .describe('Name of the IANA time zone. Trap: on the night of a change to summer time, a window between 02:00 and 03:00 may not exist.'),
  allow: z
    .array(z.enum(actionNames, { error: 'expected the name of an action' }))
    .default([])
    .describe('Actions that go on in it. Default: none that touches a service.'),
  services: z.array(name()).optional().describe('Only these services. Default: all.'),
});

export const safetySchema = z.strictObject({
  enabled: z.boolean().default(true).describe('Master switch. `goodgateway off` does the same at run time, with a reason.'),
  host_budget: z
    .strictObject({
      disruptive_actions: z.int().min(0).max(1000).default(6).describe('Stops, restarts, reloads and kills of all services together.'),
      starts: z.int().min(0).max(1000).default(12).describe('Starts of dead services have their own budget.'),
      within: duration().prefault('1h').describe('The time that both budgets are counted in.'),
      keep_for_humans: z.int().min(0).max(100).default(1).describe("So many of systemd's starts of a unit (StartLimitBurst) are never used: a person can always start it."),
    })
    .prefault({})
    .describe('How much may be done on this host in a time, by all policies together.'),
  breaker: z
    .strictObject({
      open_when: z
        .strictObject({
          failed_actions: z.int().min(1).max(100).default(3).describe('So many attempts of any service that did not help …'),
          within: duration().prefault('30m').describe('… in so long.'),
        })
        .prefault({})
        .describe('When it opens.'),
      stay_open: duration().prefault('1h').describe('So long nothing is done but to look and to tell people.'),
      // oxlint-disable-next-line unicorn/no-thenable -- a word of the language; its value is text, never a function
      then: z.literal('one_try').default('one_try').describe('Then a single attempt decides: it closes the breaker, or opens it anew.'),
    })
    .prefault({})
    .describe('Switches goodgateway off when it does not help.'),
  shared_cause: z
    .strictObject({
      services: share().prefault('30%').describe('At least this share of all services …'),
      at_least: z.int().min(2).max(1000).default(3).describe('… and at least so many …'),
      within: duration().prefault('60s').describe('… began to fail within so long. Those that only depend on another one that failed are not counted.'),
      // oxlint-disable-next-line unicorn/no-thenable -- a word of the language; its value is text, never a function
      then: z.literal('stop_and_page').default('stop_and_page').describe('Nothing is disturbed and somebody is told. A dead service is still started.'),
      over_after: duration().prefault('5m').describe('So long after fewer of them are in trouble at once, it is over.'),
    })
    .prefault({})
    .describe('Many things that fail at once are one cause, and not the one that a restart mends.'),
  one_healer: z
    .strictObject({
      lock: absolutePath()
        .optional()
        .describe(
          'Only who holds this file acts; others look on, and take over when it is free. Default: healer.lock in the folder `runtime`. Trap: two installations that look after the same services must name the same file.',
        ),
      other_healers: notYet('a look for other healers (Monit, docker-autoheal)'),
      fleet_lease: notYet('a lease for several hosts'),
    })
    .prefault({})
    .describe('Two that heal the same would undo each other.'),
  humans_first: duration()
    .prefault('3m')
    .describe('After a person started, stopped, restarted or reloaded a service, it is left alone for so long. Never holds up the start of a service that crashed since.'),
  pause_when: z
    .array(pauseReason)
    .default(['package_manager_running', 'unit_job_pending', 'deploy_running', { booted_less_than: 60_000 }])
    .describe('Reasons to leave every service alone for a while.'),
  maintenance: z.array(maintenanceWindow).default([]).describe('Times at which services are left alone.'),
});

/** The file that `safety:` of goodgateway.yaml may name instead of holding the limits itself. */
export const safetyFileSchema = z.strictObject({ version: version(), safety: safetySchema });

export type SafetyConfig = z.output<typeof safetySchema>;
export type MaintenanceWindow = z.output<typeof maintenanceWindow>;
export type PauseReason = z.output<typeof pauseReason>;

function isTimezone(name: string): boolean {
  try {
    return new Intl.DateTimeFormat('en', { timeZone: name }).resolvedOptions().timeZone !== '';
  } catch {
    return false;
  }
}
