/** One fault as it is played: what is built for it, how it comes, and how an administrator takes it away. */
import type { AuditRecord } from '../support/audit-records.ts';
import type { TestScope } from '../support/temp-folder.ts';
import type { FaultName } from './expected.ts';

/** Where visitors come in, and what goodgateway has recorded. */
export interface Watched {
  readonly port: number;
  /** The service behind the gateway, by the name of its policy. */
  readonly service: string;
  records(): readonly AuditRecord[] | Promise<readonly AuditRecord[]>;
  /** What goodgateway has printed: shown when something goes wrong. */
  log(): string;
}

export interface Visits {
  /** One for all, or another for each. */
  readonly path: string | ((id: string) => string);
  /** Requests a second. Default 10. */
  readonly rate?: number;
}

export interface Scene {
  readonly at: Watched;
  /** What visitors ask for. Default: `/hello.php`, a page that is fast and right while all is well. */
  readonly visits?: Visits;
  /** Brings the fault about, once the first visitors were answered. */
  inject(): unknown;
  /** What an administrator does about it. Called when goodgateway has had its time, and only where it is to be a person. */
  takeAway?(): unknown;
}

/** By name; each builds what it needs in the scope, which ends everything in reverse order. */
export type Scenes = { readonly [Name in FaultName]?: (t: TestScope) => Promise<Scene> };
