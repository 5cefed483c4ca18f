/** Apache behind a proxy sees one client; what limits clients there limits everybody at once. */
import type { Check, CheckResult, DoctorContext } from '../check.ts';
import type { HostFiles } from '../host-files.ts';
import { isLoopback } from '../who-passes.ts';
import { tcpTargets } from '../tcp-targets.ts';

const limiting = /(evasive|limitipconn|qos|bw)\d*_module$/;
const files = ['/etc/apache2/mods-enabled/*.load', '/etc/apache2/apache2.conf', '/etc/httpd/conf/httpd.conf', '/etc/httpd/conf.modules.d/*.conf'];
const settings = [
  '/etc/apache2/apache2.conf',
  '/etc/apache2/conf-enabled/*.conf',
  '/etc/apache2/mods-enabled/*.conf',
  '/etc/apache2/sites-enabled/*.conf',
  '/etc/httpd/conf/httpd.conf',
  '/etc/httpd/conf.d/*.conf',
];

export const perClientLimits: Check = {
  name: 'per-client-limits',
  family: 'configuration',
  deadlineMs: 15_000,
  finds: {
    'apache-sees-one-client': { severity: 'warning', when: 'Apache behind nginx or a gateway limits clients by address (mod_evasive, mod_limitipconn, mod_qos, mod_bw), without mod_remoteip' },
  },
  check: async (context) => {
    const modules = await matches(context.files, files, /^LoadModule\s+(\S+)/i);
    const limit = modules.find(({ word }) => limiting.test(word));
    if (!limit || !(await isBehindProxy(context))) return { findings: [] };
    const hasAddress = modules.some(({ word }) => word === 'remoteip_module') && (await matches(context.files, settings, /^(RemoteIPHeader|RemoteIPProxyProtocol)\b/i)).length > 0;
    return { findings: hasAddress ? [] : [found(limit)] };
  },
};

interface Match {
  readonly word: string;
  readonly place: string;
}

async function matches(host: HostFiles, patterns: readonly string[], pattern: RegExp): Promise<readonly Match[]> {
  const paths = (await Promise.all(patterns.map((each) => host.matching(each)))).flat();
  const lines = await Promise.all(paths.map(async (path) => (await host.lines(path)).flatMap(({ text }) => pattern.exec(text)?.[1] ?? []).map((word) => ({ word, place: path }))));
  return lines.flat();
}

/** Does nginx or a gateway connect to a port that this Apache listens on? */
async function isBehindProxy(context: DoctorContext): Promise<boolean> {
  const listens = await matches(context.files, ['/etc/apache2/ports.conf', '/etc/apache2/apache2.conf', '/etc/httpd/conf/httpd.conf', '/etc/httpd/conf.d/*.conf'], /^Listen\s+(\S+)/i);
  const ports = listens.map(({ word }) => Number(/(\d+)$/.exec(word)?.[1]));
  return tcpTargets(context).some(({ address }) => isLoopback(address.host) && ports.includes(address.port));
}

function found({ word, place }: Match): CheckResult['findings'][number] {
  return {
    id: 'apache-sees-one-client',
    subject: word,
    what: `Apache limits clients by their address (${word}), and all requests reach it from one: that of the proxy before it.`,
    why: 'In a busy moment the limit hits everybody: 403 or 503 for all visitors, or the proxy itself is locked out.',
    change: 'a2enmod remoteip, and in its configuration: RemoteIPHeader X-Forwarded-For and RemoteIPInternalProxy 127.0.0.1; or take the module out',
    source: place,
  };
}
