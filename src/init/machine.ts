/** What `init` knows of a machine: facts only, nothing decided yet. */
import type { Unseen } from '../doctor/finding.ts';
import type { Directive } from '../doctor/nginx/parse-nginx.ts';
import type { Nginx } from '../doctor/nginx/passes.ts';
import type { Pool } from '../doctor/pools.ts';
import type { Panel } from './control-panels.ts';
import type { Listening } from './who-listens.ts';

export interface Machine {
  readonly isRoot: boolean;
  readonly systemd: boolean;
  readonly nginx: FoundNginx | undefined;
  /** Every pool of php-fpm that listens somewhere, with the program and the unit of its master. */
  readonly pools: readonly FoundPool[];
  readonly apache: FoundApache | undefined;
  readonly listening: readonly Listening[];
  readonly panels: readonly Panel[];
  /** Names in /etc/passwd that matter for the proxy. */
  readonly hasOwnUser: boolean;
  readonly unseen: readonly Unseen[];
}

export interface FoundNginx {
  /** Its main file. */
  readonly file: string;
  readonly read: Nginx;
  /** The main file alone, includes as they are written. */
  readonly main: readonly Directive[];
  readonly program: string | undefined;
  /** The user of its workers, and that user's group: who must be able to open a gateway's socket. */
  readonly user: string | undefined;
  readonly group: string | undefined;
  readonly workerConnections: number;
  readonly workers: number;
  /** The pid of its master, where it runs. */
  readonly master: number | undefined;
  /** The master's own error log, where it is written and a file. */
  readonly errorLog: string | undefined;
  readonly test: NginxTest;
}

/** What `nginx -t` said; `untried` says why it was not asked. */
export type NginxTest = { readonly kind: 'passes' } | { readonly kind: 'fails'; readonly output: string } | { readonly kind: 'untried'; readonly why: string };

export interface FoundPool {
  readonly pool: Pool;
  /** `8.2` where its place says so. */
  readonly version: string | undefined;
  readonly program: string | undefined;
  /** The unit that brings it, where there is such a file. */
  readonly unit: string | undefined;
}

export interface FoundApache {
  readonly program: string;
  readonly unit: string;
  readonly log: string;
  /** As its `Listen` lines say. */
  readonly ports: readonly number[];
  /** Whether mod_remoteip tells it the visitors' addresses. */
  readonly remoteIp: boolean;
}
