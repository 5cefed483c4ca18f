/**
 * The interfaces of the healer's plug-ins: probes, causes, actions, service types. A plug-in is one file and one
 * line in its registry. It returns an outcome; it never retries, waits between tries, logs or audits by itself.
 */
import type { z } from 'zod';
import type { CollectorName, ServiceConfig } from '../config/policy-schema.ts';
import type { ActionName, Reach, StepResult } from '../core/decision.ts';
import type { CauseName, Confidence, Evidence, Suspect } from '../core/diagnosis.ts';
import type { Address } from '../core/failure.ts';
import type { Question, Symptom } from '../core/incident.ts';
import type { Clock } from '../core/time.ts';
import type { Traffic } from '../core/traffic.ts';
import type { SignatureTable } from '../signatures/compile.ts';
import type { BackendTls } from '../upstream/backend-tls.ts';
import type { RunCommand } from './commands.ts';

/** A service as the healer knows it: its name, how it is controlled, where it is reached. All from configuration. */
export interface ServiceTarget {
  readonly name: string;
  readonly config: ServiceConfig;
  /** Where its gateways find it now, and where else they may be sent. Index 0 is the configured upstream. */
  readonly upstreams: readonly Address[];
  /** Which of `upstreams` is in use. */
  readonly current: number;
  readonly protocol: 'http' | 'fastcgi' | undefined;
  /** By address as text: where its gateways speak TLS. Who speaks plainly there gets no valid answer. */
  readonly tls?: ReadonlyMap<string, BackendTls>;
  /** How long its gateways wait for the first byte of an answer; of several the one that waits longest. */
  readonly responseTimeoutMs?: number;
  /** The folder for what goodgateway itself must remember about the service (pid of a command that it started). */
  readonly stateFolder: string;
}

/** What a service type knows of a service at one moment. */
export interface ServiceState {
  /**
   * `running`; `starting`, `stopping`: a change is under way; `stopped`: on purpose; `failed`: it ended by itself;
   * `frozen`: every process is stopped (state T) or its cgroup is frozen; `unknown`: could not be found out.
   */
  readonly state: 'running' | 'starting' | 'stopping' | 'stopped' | 'failed' | 'frozen' | 'unknown';
  /** The state as one sentence, with what it was read from. */
  readonly text: string;
  readonly mainPid?: number;
  /** The main process of the last run, when it is dead: its orphaned workers are known by it. */
  readonly lastMainPid?: number;
  /** All living pids of the service, as far as they can be known; orphaned workers too. */
  readonly pids: readonly number[];
  readonly exitCode?: number;
  readonly exitSignal?: string;
  /** Identifies this very run: InvocationID, or pid and start time. Empty when nothing runs. */
  readonly fence: string;
  /** The supervisor will act by itself within so many ms (systemd's auto-restart). */
  readonly supervisorActsInMs?: number;
  /** How often its supervisor restarted it by itself since somebody started it last (systemd's NRestarts). */
  readonly supervisorRestarts?: number;
  /** Changes with every change of the state, also with a reload that leaves `fence` as it is. Only compared. */
  readonly changeMark?: string;
  /** The kernel ended it for want of memory, as its supervisor says. */
  readonly oomKilled?: boolean;
  /** systemd refuses to start it again: too many starts in a time (StartLimitBurst). */
  readonly startLimitHit?: boolean;
  /** How often systemd would still start it before it refuses; absent where there is no such limit. */
  readonly startsLeft?: number;
  /** A job that waits or runs, or a container that is paused or being replaced: somebody is changing it. */
  readonly changing?: string;
  /** Who stopped it, where that is known to be the package manager. */
  readonly stoppedByPackage?: boolean;
}

/** How one kind of service is looked at and controlled. `signal` aborts when the step's time is over. */
export interface ServiceType {
  readonly name: ServiceConfig['type'];
  state(target: ServiceTarget, run: RunCommand, signal: AbortSignal): Promise<ServiceState>;
  /** Whether this configuration offers the verb; `reload` of a process without `reload:` does not exist. */
  can(target: ServiceTarget, verb: 'start' | 'stop' | 'reload' | 'restart'): boolean;
  control(target: ServiceTarget, verb: 'start' | 'stop' | 'reload' | 'restart', run: RunCommand, signal: AbortSignal): Promise<StepResult>;
  /** Forgets that the service failed and how often it was started, where its manager counts that. */
  resetFailed?(target: ServiceTarget, run: RunCommand, signal: AbortSignal): Promise<StepResult>;
  /** The service's own configuration test as an argv, or none. */
  configTest(target: ServiceTarget): readonly string[] | undefined;
}

/** A service that another one needs. */
export interface Dependency {
  readonly name: string;
  readonly kind: 'database' | 'cache' | 'other';
  /** What opened its incident, where one is open. */
  readonly trouble: string | undefined;
  /** Where it is reached, and what it speaks there; absent where nobody said. */
  readonly address: Address | undefined;
  readonly speaks?: 'mysql' | 'redis' | 'memcached' | 'postgres' | 'rabbitmq';
}

export interface ProbeContext {
  readonly target: ServiceTarget;
  readonly run: RunCommand;
  readonly clock: Clock;
  readonly serviceType: ServiceType;
  /** Wall time of the last moment at which the service was seen well. */
  readonly lastGoodMs: number;
  /** What the service needs, by its policy. */
  readonly dependencies: readonly Dependency[];
  /** What is known of log lines. Absent: what comes with goodgateway. */
  readonly signatures?: () => Promise<SignatureTable>;
}

/** A read-only look at one thing. */
export interface Probe {
  readonly name: string;
  /** Its own deadline; `quick` ones (at most 150 ms) are enough to start a dead service. */
  readonly deadlineMs: number;
  readonly quick: boolean;
  applies(target: ServiceTarget): boolean;
  /** Never rejects for an expected reason; what it could not see is evidence with `missing`. */
  look(context: ProbeContext, signal: AbortSignal): Promise<readonly Evidence[]>;
}

/** What a collector may use. `sinceMs`: wall time since when it matters; `maxBytes`, `timeoutMs`: what it may take. */
export interface CollectorContext {
  readonly target: ServiceTarget;
  readonly state: ServiceState;
  readonly run: RunCommand;
  readonly sinceMs: number;
  readonly maxBytes: number;
  readonly timeoutMs: number;
}

/** One thing that is kept in a file before an action destroys it. It only reads. */
export interface Collector {
  readonly name: CollectorName;
  applies(target: ServiceTarget): boolean;
  /** The text, before secrets are taken out. Rejects with the reason when there is none. */
  collect(context: CollectorContext, signal: AbortSignal): Promise<string>;
}

/** What a cause judges by: the symptom, all evidence, the traffic. Pure. */
export interface CaseFile {
  readonly target: ServiceTarget;
  readonly symptom: Symptom | Question;
  readonly evidence: readonly Evidence[];
  readonly traffic: Traffic;
}

export interface Cause {
  readonly name: CauseName;
  /** A suspicion when the evidence speaks for this cause, else `undefined`. */
  suspect(file: CaseFile): Suspect | undefined;
}

export interface ActionContext {
  readonly target: ServiceTarget;
  readonly serviceType: ServiceType;
  readonly run: RunCommand;
  readonly clock: Clock;
  readonly suspect: Suspect;
  /** The incident's id: what the action does can be found by it in the audit log. */
  readonly incident: string;
  /** How long this try may take; `signal` aborts then, or earlier where there is nothing left to do. */
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
  /** Is this service, by the name of its policy, well? `undefined`: there is no such service. */
  readonly isWell: (service: string) => boolean | undefined;
  /** Lets only the share `keep` of the requests through; 1: everybody. */
  readonly shed: (level: { readonly keep: number; readonly retryAfterMs: number }) => Promise<void>;
  /** Sends the gateways of this service to the n-th of its upstreams. */
  readonly useUpstream: (index: number) => Promise<void>;
  /** Tells these receivers, or the policy's. `false`: they were told the same moments ago, so it was only counted. */
  readonly tell: (text: string, to?: readonly string[]) => Promise<boolean | void>;
}

/** One thing that can be done. */
export interface Action<Options = Readonly<Record<string, unknown>>> {
  readonly name: ActionName;
  readonly reach: Reach;
  readonly reversible: boolean;
  /** Least confidence in the cause for this action. */
  readonly needs: Confidence;
  /** Touches the service, so it counts as an attempt. */
  readonly counts: boolean;
  /** Counts against the budget of disruptive actions, or against that of starts, or against none. */
  readonly budget: 'disruptive' | 'start' | 'none';
  /** Whether it destroys what a person would look at afterwards: kept before it, beside it, or not at all. */
  readonly evidence: 'before' | 'beside' | 'none';
  /** Is refused while the service's configuration test fails. */
  readonly configTest: boolean;
  /** Only passes time: it ends early when there is nothing left to wait for, and is not used up when it was cut short or when the healer ended meanwhile. */
  readonly waits?: true;
  /** Only tells people. `page`: somebody has to act, and visitors read that somebody was told; `notice`: for information. */
  readonly tells?: 'page' | 'notice';
  /** When it is done the service is down, on purpose: there is nothing to verify. */
  readonly endsDown?: true;
  readonly options: z.ZodType<Options>;
  /** What its options change of what it declares above. */
  limitsFor?(options: Options): Partial<Pick<Action, 'reach' | 'budget'>>;
  /** How long one try may take, where the options say so; else the rung's `timeout`. */
  timeoutMs?(options: Options): number;
  /** Returns within a moment after `signal` aborts, and does nothing when it has aborted already. Never rejects for an expected reason. */
  perform(context: ActionContext, options: Options): Promise<StepResult>;
  /** How it is taken back; only of actions that are `reversible` and change something. */
  readonly undo?: Undo<Options>;
}

/** What taking an act back, or ordering it anew, may use. */
export type UndoContext = Pick<ActionContext, 'target' | 'clock' | 'shed' | 'useUpstream'>;

/** How an act of ours is taken back. */
export interface Undo<Options> {
  /** Where the rung's `undo` says nothing. */
  readonly byDefault: 'automatic' | 'never';
  /** `closed`: it stands until its incident is over; `not_recovered`: when a verification says that it did not help. */
  readonly when: 'closed' | 'not_recovered';
  /** What must be known of the time before the act; kept with the incident. */
  before?(target: ServiceTarget): string;
  perform(context: UndoContext, options: Options, before: string | undefined): Promise<StepResult>;
  /** Orders anew what lives only as long as a healer orders it. */
  renew?(context: UndoContext, options: Options): Promise<void>;
}
