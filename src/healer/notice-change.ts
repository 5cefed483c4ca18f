/**
 * What happened to a service between two looks of the watch: what kind of change of its run. Looks at a state that is on
 * its way to another one wait for where it comes to rest; somebody's restart passes through "stopped", which counts when
 * it is seen twice. A reload leaves a trace only where systemd did it: without systemd, and by a bare signal, it is not
 * noticed (measured: php-fpm's own status lines and its reopening of logs leave systemd's moment of the change alone).
 */
import type { Look } from './healer.ts';
import type { ServiceState } from './leaves.ts';

export type Change = 'started' | 'stopped' | 'restarted' | 'reloaded' | 'tried to start';

/** Whether the state is one that lasts, seen beside the look right before it. */
function isAtRest(now: ServiceState, before: ServiceState | undefined): boolean {
  switch (now.state) {
    case 'running':
    case 'frozen':
    case 'failed':
      return true;
    case 'stopped':
      return before === undefined || before.state === 'stopped';
    case 'starting':
    case 'stopping':
    case 'unknown':
      return false;
  }
}

/** What somebody must have done to get from one state at rest to the other; `undefined`: nothing, or it ended by itself. */
export function changeBetween(before: ServiceState, now: ServiceState): Change | undefined {
  if (now.state === 'stopped') return before.state === 'stopped' ? undefined : 'stopped';
  if (now.state === 'failed') return before.state === 'stopped' && now.fence !== '' && now.fence !== before.fence ? 'tried to start' : undefined;
  if (before.state === 'stopped' || before.state === 'failed') return 'started';
  if (now.fence !== before.fence) return 'restarted';
  // a freeze and its end change the mark, too
  if (before.state !== 'running' || now.state !== 'running' || now.changeMark === undefined || before.changeMark === undefined) return undefined;
  return now.changeMark === before.changeMark ? undefined : 'reloaded';
}

/** The change was the supervisor's own: it counts its restarts, and begins anew when somebody else starts the service. */
export function bySupervisor(before: ServiceState, now: ServiceState): boolean {
  return (now.supervisorRestarts ?? 0) > (before.supervisorRestarts ?? 0);
}

/** The look that the next change is judged against. */
export function restAfter(before: Look | undefined, look: Look, previous: Look | undefined): Look | undefined {
  return isAtRest(look.state, previous?.state) ? look : before;
}
