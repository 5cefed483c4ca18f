/** What every step of healing needs, put together once at start. And one service under care: its ward. */
import type { GatewayConfig } from '../config/host-schema.ts';
import type { LoadedPolicy } from '../config/load-policies.ts';
import type { PolicyConfig } from '../config/policy-schema.ts';
import type { SafetyConfig } from '../config/safety-schema.ts';
import type { Order } from '../channel/messages.ts';
import type { ActionName } from '../core/decision.ts';
import type { Address } from '../core/failure.ts';
import type { Incident, Symptom } from '../core/incident.ts';
import type { Clock } from '../core/time.ts';
import type { Diagnosis } from '../core/diagnosis.ts';
import type { AuditLog } from './audit/log.ts';
import type { DeathMemory } from './death-memory.ts';
import type { Detector } from './detect.ts';
import type { GatewayTraffic } from './gateway-traffic.ts';
import type { Action, Cause, Collector, Probe, ServiceState, ServiceTarget, ServiceType } from './leaves.ts';
import type { RunCommand } from './commands.ts';
import type { Receivers } from './notifier.ts';
import type { ActionTable } from './policy/gates.ts';
import type { Hindrance, Surroundings } from './policy/surroundings.ts';
import type { TrafficSummary } from './proxy-link.ts';
import type { StateStore } from './state-store.ts';
import type { StepNow } from './step-now.ts';
import type { SignatureTable } from '../signatures/compile.ts';

export interface HealerLog {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

/** How long evidence files stay, and how much of all incidents together. */
export interface EvidenceKeeping {
  readonly keepMs: number;
  readonly keepBytes: number;
}

export interface Healer {
  /** Every service under care, by its policy's name. */
  readonly wards: ReadonlyMap<string, Ward>;
  readonly audit: AuditLog;
  readonly state: StateStore;
  /** As it is now; a reload puts another in its place. */
  readonly safety: SafetyConfig;
  readonly probes: readonly Probe[];
  readonly collectors: readonly Collector[];
  readonly causes: readonly Cause[];
  readonly actions: ReadonlyMap<ActionName, Action>;
  readonly actionTable: ActionTable;
  /** How long evidence files stay. Absent: 14 days, 500 MiB. */
  readonly evidence?: EvidenceKeeping;
  /** What is known of log lines, as it is now. Absent: what comes with goodgateway. */
  readonly signatures?: () => Promise<SignatureTable>;
  readonly run: RunCommand;
  readonly clock: Clock;
  readonly log: HealerLog;
  /** Orders go to every proxy, also to those that connect later. */
  readonly order: (order: Exclude<Order, { type: 'welcome' }>) => void;
  /** What goes on around all services, and who else heals here. Absent: nobody looks, and nothing around hinders. */
  readonly around?: Around;
  /** Where messages to people wait until they have arrived. Absent: they stand in the log only. */
  readonly outbox?: Receivers;
  /** Aborts when the healer is to stop. */
  readonly stopping: AbortSignal;
}

/** Neither look rejects. */
export interface Around {
  readonly host: () => Promise<Pick<Surroundings, 'changes' | 'unfit'>>;
  readonly otherHealer: () => Promise<Hindrance | undefined>;
}

export interface WardGateway {
  readonly name: string;
  /** The configured upstream, then `also_allowed`. */
  readonly upstreams: readonly Address[];
  readonly concurrency: GatewayConfig['concurrency'];
  /** How long a request of death is not sent through it; 0: it is sent. */
  readonly quarantineMs: number;
  /** What people are shown of it. */
  readonly traffic: GatewayTraffic;
}

/** One service under care. Created at load; what changes about it changes here and nowhere else. */
export interface Ward {
  readonly name: string;
  /** With the three that follow from it: as it was read last. Who must not see it change has a {@link pinned} ward. */
  readonly policy: PolicyConfig;
  readonly sha256: string;
  readonly serviceType: ServiceType;
  readonly detector: Detector;
  /** The policy, or the gateways of the host, were read again and are others: the one place that puts them in the old ones' place. */
  adopt(loaded: LoadedPolicy, gateways?: Readonly<Record<string, GatewayConfig>>): void;
  /** The same ward, but with the policy of now for ever: what an incident was opened under is what it is healed by, unless a mode that allows less is read. */
  pinned(): Ward;
  readonly gateways: readonly WardGateway[];
  /** The last summaries of every gateway, oldest first, with the monotonic time at which they came. */
  readonly traffic: SeenSummary[];
  /** The service as its plug-ins see it now. */
  target(): ServiceTarget;
  /** Tells the proxies where its gateways go now, if that is not the configured upstream. */
  orderUpstream(): void;
  /** Sends every gateway that may go there to the n-th of the target's upstreams. */
  useUpstream(index: number): Promise<void>;
  /** Workers that ended by a fault, and the requests that were in them. */
  readonly deaths: DeathMemory;
  /** The last requests that failed: whoever asks with the code of their page is found by them. */
  readonly requestIds: string[];
  lastGoodMs: number;
  /** Monotonic: when the healer's own look at it began last. */
  lookedAtMs: number;
  /** Monotonic: a silence is not looked into before. */
  confirmAgainAtMs: number;
  /** Monotonic: what nginx's log, or a proxy, says of a connect is not tried before. */
  connectAgainAtMs: number;
  /** How long the last recoveries took; their median is what a visitor is told to expect. */
  readonly recoveriesMs: number[];
  /** How many the backend serves at once, as its own configuration says. */
  workers: number | undefined;
  /** What the watch saw last, and when (monotonic). */
  lastLook: Look | undefined;
  /** What it saw last that was not on its way to something else; what changes is judged against it. */
  atRest: Look | undefined;
  /** The run that was seen last, and its monotonic start. */
  lastRun: { readonly fence: string; readonly startedMs: number } | undefined;
  /** The last step that could touch it, on the monotonic clock; without an end it is under way. */
  lastAct: { readonly action: ActionName; readonly startedMs: number; readonly endedMs?: number } | undefined;
}

/** One look at a service, at its monotonic time. */
export interface Look {
  readonly state: ServiceState;
  readonly atMs: number;
}

/** A proxy's summary, stamped by our own clock: one that is old says nothing about now. */
export type SeenSummary = TrafficSummary & { readonly seenMs: number };

/** One open incident on its way: everything that the next round must know of the rounds before. */
export interface OpenCase {
  readonly incident: Incident;
  rounds: number;
  /** What is being done at this moment, for people. */
  step: StepNow;
  /** Actions that touched the service, for the last record and the messages. */
  readonly done: string[];
  diagnosis: Diagnosis | undefined;
  causeSinceMs: number;
  /** When the symptom was last seen; with traffic that is what says whether it is gone. */
  lastSymptomMs: number;
  /** End of the last step that touched the service, on both clocks; what was seen before it says nothing any more. */
  acted: { readonly wallMs: number; readonly monotonicMs: number } | undefined;
  /** What was recorded, and when (monotonic): the same words are not recorded every second, nor two in turn. */
  readonly said: Map<string, number>;
  /** Trouble of another kind than the one that opened the incident; the next round looks into it. */
  news: Symptom | undefined;
  lastInterruptMs: number;
  lastWakeMs: number;
  /** Since when the cause cannot be named any more; trouble that fades is not news. */
  unknownSinceMs: number | undefined;
  /** When each step that only waits began for the first time (monotonic). */
  readonly waitedSince: Map<string, number>;
  told: boolean;
  /** Monotonic: when people were last asked for, whether or not it was told to them once more. */
  askedAtMs: number;
  /** A message of this incident that asks for a person has gone out, so its end is told, too. */
  heard: boolean;
  /** It was opened because another service had recovered: its own recovery is nobody else's business any more. */
  followsAnother: boolean;
  /** The proxies hold or fall back by our order, so it is for us to open. */
  gatesClosed: boolean;
  configFailed: boolean;
  /** The files being kept beside a start; they may take longer than the incident. */
  keeping: Promise<void> | undefined;
  /** Ends a pause between two rounds early. */
  wake: () => void;
  /** Breaks a verification off: something else is wrong now. */
  interrupt: () => void;
}

/** `closed`: the incident is over (`repaired`: by an act of ours). `again`: the next round is due in so many ms, or when something changes. */
export type NextRound = { readonly kind: 'closed'; readonly repaired?: boolean } | { readonly kind: 'again'; readonly inMs: number };
