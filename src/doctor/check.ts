/** The interface of the doctor's plug-ins: one check is one file in `checks/` and one line in its registry. */
import type { X509Certificate } from 'node:crypto';
import type { Configuration } from '../config/load.ts';
import type { Address } from '../core/failure.ts';
import type { Clock } from '../core/time.ts';
import type { ServiceTarget, ServiceType } from '../healer/leaves.ts';
import type { RunCommand } from '../healer/commands.ts';
import type { DiskSpace } from '../healer/probes/read-disk-space.ts';
import type { StatusPage } from '../healer/probes/read-fpm-page.ts';
import type { Accounts } from './accounts.ts';
import type { HostFiles } from './host-files.ts';
import type { Finding, Family, Severity, Unseen } from './finding.ts';
import type { LastRun } from './last-run.ts';
import type { Nginx } from './nginx/passes.ts';
import type { Pool } from './pools.ts';
import type { HostProcess } from './processes.ts';

/** What cannot be read from files: questions to the kernel, to the network, to programs. Tests answer them themselves. */
export interface Outside {
  readonly run: RunCommand;
  readonly clock: Clock;
  readonly isRoot: boolean;
  readonly cpus: number;
  /** @see readSpace */
  space(path: string): Promise<DiskSpace | string | undefined>;
  /** Why this name does not resolve here; `undefined`: it does. */
  whyUnresolved(name: string, signal: AbortSignal): Promise<string | undefined>;
  /** Does anybody take a connection there? */
  accepts(address: Address, signal: AbortSignal): Promise<boolean>;
  /** Why this name server does not answer; `undefined`: it does, with whatever answer. */
  whySilent(server: string, signal: AbortSignal): Promise<string | undefined>;
  /** The certificate that is shown at an address, or why there is none to see. */
  certificateAt(address: Address, serverName: string | undefined, signal: AbortSignal): Promise<X509Certificate | string>;
  /** The text of php-fpm's status page, or why it cannot be had. */
  fpmStatus(page: StatusPage, signal: AbortSignal): Promise<{ readonly text: string } | { readonly missing: string }>;
}

/** A service of a policy as the healer would know it. */
export interface DoctorService {
  readonly target: ServiceTarget;
  readonly type: ServiceType;
  readonly mode: 'observe' | 'approve' | 'act';
}

/** The host as it was read once, at the start. `configuration`: absent where there is no goodgateway yet. */
export interface DoctorContext {
  readonly outside: Outside;
  readonly files: HostFiles;
  readonly accounts: Accounts;
  readonly configuration: Configuration | undefined;
  /** What is wrong with goodgateway's own configuration, as `check` says it; then there is none here. */
  readonly mistakes: readonly string[];
  readonly services: readonly DoctorService[];
  readonly nginx: Nginx | undefined;
  readonly pools: readonly Pool[];
  readonly processes: readonly HostProcess[];
  /** Units of systemd that matter: those of the policies, and of the servers that were found. */
  readonly units: readonly string[];
  readonly lastRun: LastRun | undefined;
}

/** What a check returns: findings without what the check's own table says of them. */
export interface CheckResult {
  readonly findings: readonly Omit<Finding, 'family' | 'severity'>[];
  readonly unseen?: readonly Unseen[];
}

/** Looks for one kind of trouble. It only reads. */
export interface Check {
  readonly name: string;
  readonly family: Family;
  /** After this it counts as not seen. */
  readonly deadlineMs: number;
  /** Every finding it may return, by its id, with one line for the documentation. */
  readonly finds: Readonly<Record<string, { readonly severity: Severity; readonly when: string }>>;
  /** Never rejects for an expected reason. */
  check(context: DoctorContext, signal: AbortSignal): Promise<CheckResult>;
}
