/** Apache as Debian or the Red Hat family install it, from its files. */
import type { HostFiles } from '../doctor/host-files.ts';
import type { FoundApache } from './machine.ts';

const places = [
  {
    program: '/usr/sbin/apache2',
    control: '/usr/sbin/apachectl',
    unit: 'apache2.service',
    log: '/var/log/apache2/error.log',
    files: ['/etc/apache2/apache2.conf', '/etc/apache2/ports.conf', '/etc/apache2/mods-enabled/*', '/etc/apache2/conf-enabled/*', '/etc/apache2/sites-enabled/*'],
  },
  {
    program: '/usr/sbin/httpd',
    control: '/usr/sbin/apachectl',
    unit: 'httpd.service',
    log: '/var/log/httpd/error_log',
    files: ['/etc/httpd/conf/httpd.conf', '/etc/httpd/conf.d/*.conf', '/etc/httpd/conf.modules.d/*.conf'],
  },
] as const;

/** `undefined` when its program is not there. */
export async function findApache(files: HostFiles): Promise<FoundApache | undefined> {
  for (const { program, control, unit, log, files: patterns } of places) {
    if (!(await files.stat(program))) continue;
    const paths = (await Promise.all(patterns.map((pattern) => files.matching(pattern)))).flat();
    const lines = (await Promise.all(paths.map((path) => files.lines(path)))).flat().map(({ text }) => text);
    const ports = lines.flatMap((text) => /^Listen\s+(?:\S+:)?(\d+)\b/i.exec(text)?.[1] ?? []).map(Number);
    return { program: control, unit, log, ports: [...new Set(ports)], remoteIp: lines.some((text) => /^RemoteIP(Header|ProxyProtocol)\b/i.test(text)) };
  }
  return undefined;
}
