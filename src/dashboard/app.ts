/** What the page knows, and what a view of it is. */
import type { AdminIncident, AdminServices, AdminState } from '../core/admin-api.ts';
import type { History } from './history.ts';
import type { LiveIncident } from './incidents.ts';

/** What every view is shown with, again whenever something of it is new. */
export interface App {
  readonly state: AdminState | undefined;
  /** `undefined`: not heard yet, or the healer is away. */
  readonly services: AdminServices | undefined;
  /** Open ones, and those that ended while the page was open; newest first. */
  readonly incidents: readonly LiveIncident[];
  /** The newest of the past, newest first; `undefined`: not heard yet. */
  readonly past: readonly AdminIncident[] | undefined;
  readonly history: History;
  /** Wall time since which nothing was heard; `undefined` while connected. */
  readonly lostSinceMs: number | undefined;
  /** Why nothing is heard, where the listener says so. */
  readonly lostWhy: string | undefined;
}

export interface View {
  /** For the window's title and the heading. */
  readonly title: string;
  readonly element: HTMLElement;
  /** Called at most once a frame; changes only what is new. */
  update?(app: App): void;
}
