/** One service in a policy: what kind it is, how it is looked at, started, stopped and tested. */
import { z } from 'zod';
import { absolutePath, address, command, duration, oneOrMany } from './values.ts';

const signalOrCommand = z.union(
  [
    z.strictObject({
      signal: z.enum(['HUP', 'USR1', 'USR2', 'QUIT', 'TERM', 'INT', 'WINCH'], { error: 'expected a signal: HUP, USR1, USR2, QUIT, TERM, INT or WINCH' }).describe('Sent to the main process.'),
      timeout: duration().prefault('10s').describe('How long to wait for it to work before a stop becomes KILL.'),
    }),
    command(),
  ],
  { error: 'expected { signal: QUIT, timeout: 10s } or a command as a list' },
);

const shared = {
  config_test: command().optional().describe('Must exit 0 before reload and restart. Default: per type.'),
  config_test_timeout: duration().prefault('1m').describe('How long the configuration test may take. A test that does not end in time does not pass.'),
  defer_to_supervisor: duration().optional().describe("Wait for systemd's own restart first. Default: RestartSec + 2s while it is restarting."),
  stop_timeout: duration()
    .prefault('10s')
    .describe(
      'How long a stop by a command or a script may take before KILL. A stop by signal has its own `timeout`. Of a container: at least so long; the call waits 30s longer, so that a slow success is no failure.',
    ),
  listen: z.array(address()).optional().describe('Where the service listens. Default: the upstreams of its gateways.'),
  log: oneOrMany(absolutePath()).optional().describe('Log files to read when something is wrong.'),
  status: z
    .strictObject({
      fpm: address().describe("pm.status_listen, or the pool's own socket."),
      path: z.string().startsWith('/', { error: 'expected a path such as /status' }).describe('pm.status_path.'),
    })
    .optional()
    .describe("php-fpm's status page. Without it busy workers are counted from /proc, which needs root."),
  server_status: z
    .url({ protocol: /^http$/, error: 'expected a URL such as http://127.0.0.1:8080/server-status' })
    .optional()
    .describe("Apache's status page (mod_status; ExtendedStatus On tells the URLs, too). Asked when something is wrong, for what its workers do. Default: not asked."),
  pool: absolutePath().optional().describe("php-fpm's configuration file, for pm.max_children. Default: found from the start command or the unit."),
  start_period: duration().prefault('0s').describe('After any start of it, failures do not count for so long: it may still be warming up. Default: none.'),
};

/** What a service is, and how it is looked at and controlled. */
export const serviceSchema = z.discriminatedUnion(
  'type',
  [
    z.strictObject({
      type: z.literal('systemd').describe('A unit of systemd, asked and controlled through systemctl.'),
      unit: z
        .string()
        .regex(/^[A-Za-z0-9:_.@\\-]+\.service$/, { error: 'expected one unit name such as php8.2-fpm.service' })
        .describe('One unit, with `.service`.'),
      ...shared,
    }),
    z.strictObject({
      type: z.literal('init').describe('An init script and a pidfile.'),
      script: absolutePath().describe('Called with start, stop and reload, such as /etc/init.d/php8.2-fpm.'),
      pidfile: absolutePath().describe('Where the service writes the number of its main process.'),
      ...shared,
    }),
    z.strictObject({
      type: z.literal('process').describe('A plain process: with a pidfile a daemon, without one a command that goodgateway starts itself.'),
      pidfile: absolutePath().optional().describe('Without it goodgateway starts the command in the foreground and remembers its pid.'),
      start: command().describe('Starts it. With a pidfile the command must end once the daemon runs; without one it must stay.'),
      stop: signalOrCommand.prefault({ signal: 'TERM', timeout: '10s' }).describe('Stops it. Default: TERM, and after 10s KILL.'),
      reload: signalOrCommand.optional().describe('Lets it read its configuration anew. Without it the action `reload` is refused.'),
      user: z.string().optional().describe('User that the commands run as. Default: the user that runs the healer.'),
      folder: absolutePath().optional().describe('Working folder of the commands.'),
      environment: z
        .record(z.string(), z.string({ error: 'expected text; put numbers in quotes' }))
        .optional()
        .describe('Environment variables of the commands.'),
      output: absolutePath().optional().describe('File that receives the output of a command without pidfile. Default: SERVICE.out in the folder `state`.'),
      ...shared,
    }),
    z.strictObject({ type: z.literal('external').describe("A service on another machine or in somebody else's hands: looked at from outside, never controlled."), ...shared }),
    z.strictObject({
      type: z.literal('docker').describe('A container, asked and controlled through the Engine.'),
      container: z
        .string({ error: 'expected the name of one container' })
        .regex(/^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,127}$/, { error: 'expected the name of one container, such as shop-web-1' })
        .describe('One container, by its name.'),
      api: address()
        .prefault('unix:/var/run/docker.sock')
        .describe(
          "The Engine's API, a unix socket. Trap: who may use it is root; a filter that lets only inspect, logs, start, stop and restart of this container and the list of events through is safer. Without the events a container that ended with 0, 130, 131, 137 or 143 counts as stopped on purpose.",
        ),
      ...shared,
    }),
  ],
  { error: 'expected systemd, init, process, docker or external' },
);
