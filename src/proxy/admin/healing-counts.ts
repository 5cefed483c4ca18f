/**
 * What the healer did, counted from its audit records since this proxy started, and what keeps it from acting, which it
 * says in its welcome too. A record is taken as it stands in the file; of one that cannot be read nothing is counted.
 * Labels come from fixed lists, so nothing grows.
 */
import { z } from 'zod';
import { mostServicesOff, type Restraint } from '../../channel/messages.ts';
import { actionNames, gateNames } from '../../core/decision.ts';
import { causeNames } from '../../core/diagnosis.ts';
import { outcomes } from '../../core/incident.ts';
import type { Family, Labels, Sample } from './exposition.ts';

/** The few fields that are counted; of later versions more may stand beside them. */
const recordSchema = z.object({
  event: z.string(),
  service: z.string().optional(),
  cause: z.string().optional(),
  action: z.string().optional(),
  outcome: z.object({ result: z.string() }).optional(),
  gates: z.array(z.object({ gate: z.string(), verdict: z.string() })).optional(),
});
type Counted = z.output<typeof recordSchema>;

/** What becomes of a step; `would_run`: the policy only observes. */
const results = ['done', 'failed', 'unknown', 'would_run'] as const;

export class HealingCounts {
  #records = 0;
  #gaps = 0;
  #opened = 0;
  #gaveUp = 0;
  #relapsed = 0;
  #rejected = 0;
  #breakerIsOpen = false;
  #hostIsOff = false;
  #servicesOff = new Set<string>();
  readonly #ended = new LabelledCounts(['cause', 'outcome']);
  readonly #actions = new LabelledCounts(
    ['action', 'result'],
    actionNames.flatMap((action) => results.map((result) => [action, result])),
  );
  readonly #refusals = new LabelledCounts(
    ['gate'],
    gateNames.map((gate) => [gate]),
  );

  /** One line of the audit log. Never throws. */
  take(line: string): void {
    const record = parse(line);
    if (!record) return;
    this.#records += 1;
    this.#count(record);
  }

  /** What the healer said of itself when it was reached: the records of it may be older than this proxy. */
  stands({ off, servicesOff, breakerOpen }: Restraint): void {
    this.#hostIsOff = off;
    this.#servicesOff = new Set(servicesOff);
    this.#breakerIsOpen = breakerOpen;
  }

  /** What there is to say, all of it from the first moment but incidents that have ended. */
  families(): readonly Family[] {
    const one = (name: string, type: 'counter' | 'gauge', help: string, value: number): Family => ({ name, type, help, samples: [{ value }] });
    return [
      one('goodgateway_incidents_opened_total', 'counter', 'Incidents that the healer opened.', this.#opened),
      { name: 'goodgateway_incidents_ended_total', type: 'counter', help: 'Incidents that ended, by cause and outcome.', samples: this.#ended.samples() },
      one('goodgateway_incidents_given_up_total', 'counter', 'Times that the healer gave a service up: a person is needed.', this.#gaveUp),
      one('goodgateway_incidents_relapsed_total', 'counter', 'Repairs that seemed to help and did not.', this.#relapsed),
      { name: 'goodgateway_actions_total', type: 'counter', help: 'Actions of the healer, by what came of them.', samples: this.#actions.samples() },
      { name: 'goodgateway_refusals_total', type: 'counter', help: 'Steps that were not done, by the gates that refused.', samples: this.#refusals.samples() },
      one('goodgateway_policies_rejected_total', 'counter', 'Times that a changed configuration was refused.', this.#rejected),
      one('goodgateway_breaker_open', 'gauge', '1 while the circuit breaker keeps the healer from acting.', Number(this.#breakerIsOpen)),
      one('goodgateway_healing_off', 'gauge', '1 while an operator has switched healing of the whole host off.', Number(this.#hostIsOff)),
      one('goodgateway_services_off', 'gauge', 'Services whose healing an operator has switched off.', this.#servicesOff.size),
      one('goodgateway_audit_records_total', 'counter', 'Audit records that the healer told this proxy.', this.#records),
      one('goodgateway_audit_gaps_total', 'counter', 'Damage to the audit log that the healer found.', this.#gaps),
    ];
  }

  #count({ event, service, cause, action, outcome, gates }: Counted): void {
    switch (event) {
      case 'incident.opened':
        this.#opened += 1;
        return;
      case 'incident.recovered':
      case 'incident.closed':
        return this.#ended.add([oneOf(causeNames, cause), oneOf(outcomes, outcome?.result)]);
      case 'incident.gave_up':
        this.#gaveUp += 1;
        return;
      case 'incident.relapsed':
        this.#relapsed += 1;
        return;
      case 'action.finished':
      case 'action.unknown':
        return this.#actions.add([oneOf(actionNames, action), oneOf(results, outcome?.result)]);
      case 'action.would_run':
        return this.#actions.add([oneOf(actionNames, action), 'would_run']);
      case 'action.refused':
        for (const { gate, verdict } of gates ?? []) if (verdict === 'refuse') this.#refusals.add([oneOf(gateNames, gate)]);
        return;
      case 'policy.rejected':
        this.#rejected += 1;
        return;
      case 'audit.gap':
        this.#gaps += 1;
        return;
      case 'breaker.opened':
      case 'breaker.half_open':
      case 'breaker.closed':
        this.#breakerIsOpen = event !== 'breaker.closed';
        return;
      case 'healing.off':
      case 'healing.on':
        return this.#switched(event === 'healing.off', service);
    }
  }

  #switched(off: boolean, service: string | undefined): void {
    if (service === undefined) this.#hostIsOff = off;
    else if (!off) this.#servicesOff.delete(service);
    else if (this.#servicesOff.size < mostServicesOff) this.#servicesOff.add(service);
  }
}

/** Counts of one metric by the values of its labels. */
class LabelledCounts {
  readonly #names: readonly string[];
  readonly #counts = new Map<string, { readonly labels: Labels; value: number }>();

  /** `expected`: what is there, with 0, from the start. */
  constructor(names: readonly string[], expected: readonly (readonly string[])[] = []) {
    this.#names = names;
    for (const values of expected) this.add(values, 0);
  }

  add(values: readonly string[], by = 1): void {
    const key = values.join(' ');
    const known = this.#counts.get(key);
    if (known) known.value += by;
    else this.#counts.set(key, { labels: Object.fromEntries(this.#names.map((name, place) => [name, values[place] ?? ''])), value: by });
  }

  samples(): readonly Sample[] {
    return [...this.#counts.values()];
  }
}

function oneOf(known: readonly string[], value: string | undefined): string {
  return value !== undefined && known.includes(value) ? value : 'other';
}

function parse(line: string): Counted | undefined {
  try {
    return recordSchema.safeParse(JSON.parse(line)).data;
  } catch {
    return undefined;
  }
}
