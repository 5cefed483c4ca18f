import type { ServiceTarget } from '../leaves.ts';
import type { CommandResult } from '../commands.ts';
import { runOptions } from './remembered.ts';

/**
 * The configuration test that a service gets when its policy names none: by the unit's or script's name for what Debian
 * and its relatives package, by the start command for php-fpm. `undefined`: this service has none.
 */
export function configTestOf(target: ServiceTarget): readonly string[] | undefined {
  const { config } = target;
  if (config.config_test) return config.config_test;
  if (config.type === 'external' || config.type === 'docker') return undefined;
  if (config.type === 'process') return fpmTest(config.start);
  const name = (config.type === 'systemd' ? config.unit : config.script).replace(/^.*\//, '').replace(/\.service$/, '');
  const php = /^php(\d\.\d)-fpm$/.exec(name)?.[1];
  if (php) return [`/usr/sbin/php-fpm${php}`, '--fpm-config', `/etc/php/${php}/fpm/php-fpm.conf`, '-t'];
  return packaged[name];
}

/** Who runs the configuration test, where and with what: as the service is started, so that it reads the same. */
export function configTestOptions({ config }: ServiceTarget): ReturnType<typeof runOptions> {
  return config.type === 'process' ? runOptions(config) : {};
}

/** The first line that names an error; the lines after it only say that everything failed. Without one the last. At most 500 characters. */
export function tellingLine({ output, exitCode }: Pick<CommandResult, 'output' | 'exitCode'>): string {
  const lines = output
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');
  const index = lines.findIndex((line) => ['ERROR:', 'Syntax error', '[emerg]', 'rror:'].some((mark) => line.includes(mark)));
  const line = lines.at(index) ?? `exit status ${exitCode}, without a word`;
  // Apache names the place in one line and the reason in the next.
  return (line.endsWith(':') && index >= 0 ? `${line} ${lines[index + 1] ?? ''}` : line).slice(0, 500);
}

const packaged: Readonly<Record<string, readonly string[]>> = {
  'php-fpm': ['/usr/sbin/php-fpm', '-t'],
  apache2: ['/usr/sbin/apachectl', 'configtest'],
  httpd: ['/usr/sbin/apachectl', 'configtest'],
  nginx: ['/usr/sbin/nginx', '-t'],
};

/** php-fpm is tested with its own arguments, but for those that say how it runs. */
function fpmTest(start: readonly string[]): readonly string[] | undefined {
  if (!/\/php-fpm[\d.]*$/.test(start[0] ?? '')) return undefined;
  return [...start.filter((word) => !['-D', '--daemonize', '-F', '--nodaemonize'].includes(word)), '-t'];
}
