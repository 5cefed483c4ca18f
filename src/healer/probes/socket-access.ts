/**
 * May those who connect to the service's unix socket reach it? The modes along its path are held against the users of
 * the web servers and gateways that run here: evidence `socket_access` when one of them may not. Where there is no
 * socket, `socket_beside` names those that do listen in the same folder.
 */
import { realpathSync, statSync, type Stats } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import type { Evidence } from '../../core/diagnosis.ts';
import type { Probe, ProbeContext } from '../leaves.ts';
import { gatewayProgram } from './read-gateway-processes.ts';
import { processesOf, socketsOf } from './read-once.ts';
import { nameOf, processUser, type ProcessUser } from './read-process-user.ts';

/** Root may everything; these are the ones of which modes decide. */
const mostUsers = 8;
const mostBeside = 16;

/** Applies to services that are reached over a unix socket. */
export const socketAccess: Probe = {
  name: 'socket-access',
  deadlineMs: 1000,
  quick: false,
  applies: (target) => target.upstreams[target.current]?.kind === 'unix',
  async look(context) {
    const address = context.target.upstreams[context.target.current];
    if (address?.kind !== 'unix') return [];
    const steps = stepsTo(address.path);
    if (steps.at(-1)?.about.isSocket()) return clientsOf(context).flatMap((client) => deniedEvidence(client, steps));
    return besideEvidence(context, address.path);
  },
};

interface Step {
  readonly path: string;
  readonly about: Stats;
}

/** Every folder of the path and what it leads to, as far as it is there. */
function stepsTo(path: string): readonly Step[] {
  const paths = [join(realFolder(path), basename(path))];
  while (paths[0] !== '/') paths.unshift(dirname(paths[0]!));
  return paths.flatMap((each) => {
    try {
      const about = statSync(each, { throwIfNoEntry: false });
      return about ? [{ path: each, about }] : [];
    } catch {
      // Not ours to see.
      return [];
    }
  });
}

/** /var/run is a link to /run on every current system. */
function realFolder(path: string): string {
  try {
    return realpathSync(dirname(path));
  } catch {
    return dirname(path);
  }
}

interface Client {
  readonly program: string;
  readonly user: ProcessUser;
}

/** One for each program and user. */
function clientsOf(context: ProbeContext): readonly Client[] {
  const found = new Map<string, Client>();
  for (const row of processesOf(context)) {
    const program = gatewayProgram(row);
    const user = program === '' ? undefined : processUser(row.pid);
    if (user && user.uid !== 0) found.set(`${program} ${user.uid} ${user.gids.join()}`, { program, user });
    if (found.size === mostUsers) break;
  }
  return [...found.values()];
}

function deniedEvidence({ program, user }: Client, steps: readonly Step[]): readonly Evidence[] {
  const socket = steps.at(-1);
  const denied = steps.find((step) => !may(user, step.about, step === socket ? 0o2 : 0o1));
  if (!denied) return [];
  const { about } = denied;
  const [owner, group, mode] = [nameOf(about.uid, 'user'), nameOf(about.gid, 'group'), `0${(about.mode & 0o7777).toString(8)}`];
  const [name, primaryGroup] = [nameOf(user.uid, 'user'), nameOf(user.gids[0] ?? -1, 'group')];
  const what = denied === socket ? 'may not write to the socket' : 'may not pass the folder';
  const text = `${program} (user ${name}) ${what} ${denied.path}: it belongs to ${owner}:${group} and has mode ${mode}.`;
  return [{ kind: 'socket_access', source: 'file modes', text, facts: { at: denied.path, isSocket: denied === socket, program, user: name, primaryGroup, owner, group, mode } }];
}

/** By owner, group and mode; access lists are not looked at. Bits: 1 pass a folder, 2 connect to a socket. */
function may({ uid, gids }: ProcessUser, about: Stats, bit: number): boolean {
  if (uid === 0) return true;
  const shift = about.uid === uid ? 6 : gids.includes(about.gid) ? 3 : 0;
  return ((about.mode >> shift) & bit) !== 0;
}

function besideEvidence(context: ProbeContext, path: string): readonly Evidence[] {
  const folder = dirname(path);
  const paths = socketsOf(context).listeners.flatMap(({ address }) => (address.kind === 'unix' && address.path !== path && dirname(address.path) === folder ? [address.path] : []));
  if (paths.length === 0) return [];
  const sockets = [...new Set(paths)].toSorted().slice(0, mostBeside);
  return [{ kind: 'socket_beside', source: '/proc/net/unix', text: `There is no socket ${path}; beside it others listen: ${sockets.join(', ')}.`, facts: { path, sockets } }];
}
