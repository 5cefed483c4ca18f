import type { CauseName, Confidence } from './diagnosis.ts';

/** Every action that a policy may name. What an action does and needs is declared by its own file. */
export const actionNames = [
  'start',
  'reload',
  'restart',
  'stop',
  'terminate_stuck_workers',
  'terminate_orphans',
  'reset_failed_and_start',
  'shed_load',
  'switch_upstream',
  'wait',
  'wait_for',
  'page',
  'notify',
  'run',
] as const;
export type ActionName = (typeof actionNames)[number];

/** How much an action can disturb; more reach needs more confidence. */
export const reaches = ['none', 'worker', 'pool', 'service', 'host'] as const;
export type Reach = (typeof reaches)[number];

/** One gate's word about one action. `not_evaluated`: an earlier gate refused and this one would have cost something. */
export interface GateResult {
  readonly gate: GateName;
  readonly verdict: 'pass' | 'refuse' | 'not_evaluated';
  /** Plain words with the numbers that were compared: `3 of 3 attempts in the last hour are used`. */
  readonly reason: string;
  /** Wall time from which the gate would pass, where time alone will open it. */
  readonly allowedAtMs?: number;
}

/** The gates, in the order in which they are evaluated and printed. */
export const gateNames = [
  'enabled',
  'paused',
  'maintenance',
  'change_in_progress',
  'deliberate_stop',
  'humans_first',
  'supervisor_first',
  'dependency_open',
  'never',
  'confidence',
  'breaker',
  'host_budget',
  'max_attempts',
  'cooldown',
  'approval',
  'config_test',
  'fence',
] as const;
export type GateName = (typeof gateNames)[number];

/** One rung of a rule's ladder, bound and ready: the action, its checked options, its time limit. */
export interface Step {
  readonly action: ActionName;
  readonly options: Readonly<Record<string, unknown>>;
  readonly timeoutMs: number;
  /** 1 for the rung's first try. */
  readonly attempt: number;
  /** 0 for the lightest rung. */
  readonly rung: number;
}

export type Decision =
  | { readonly kind: 'recover'; readonly rule: string; readonly step: Step; readonly gates: readonly GateResult[] }
  | {
      readonly kind: 'stand_down';
      readonly rule: string | undefined;
      readonly step: Step | undefined;
      readonly gates: readonly GateResult[];
      readonly reason: string;
      /** `observe`: everything passed, but the policy's mode forbids to act. */
      readonly why: 'refused' | 'observe' | 'pending' | 'exhausted' | 'no_rule';
      readonly retryAtMs?: number;
    };

/** What an action did. `unknown`: it may or may not have had its effect; verify, never repeat blindly. */
export interface StepResult {
  readonly result: 'done' | 'failed' | 'unknown';
  readonly detail: string;
  readonly argv?: readonly string[];
  readonly exitCode?: number;
  readonly signal?: string;
  readonly durationMs: number;
  readonly outputTail?: string;
}

export type { CauseName, Confidence };
