/** Debian's own units under a real systemd, with goodgateway as a unit beside them, behind nginx. */
import { startDebianHost, type DebianHost, type UnitName } from '../../e2e/debian-host.ts';
import { fastcgiLocation, startNginx } from '../../support/nginx.ts';
import { answersHello } from '../../support/php-scripts.ts';
import type { AuditRecord } from '../../support/audit-records.ts';
import type { TestScope } from '../../support/temp-folder.ts';
import type { Watched } from '../fault.ts';
import { rulesSoon } from './ready.ts';

export interface SystemdStack {
  readonly at: Watched;
  readonly host: DebianHost;
}

/** Inside; nginx only names the files there. */
export const docroot = '/run/gg/www';

/** `values`: for places of the ready policies, beside the impatience. */
export async function systemdStack(t: TestScope, values: Partial<Readonly<Record<UnitName, object>>> = {}): Promise<SystemdStack> {
  const host = await startDebianHost(t, { ...values, php: { hung_after: '2s', ...rulesSoon('php-fpm.yaml'), ...values.php } });
  await host.write(`${docroot}/hello.php`, answersHello);
  const nginx = await startNginx(t, { server: fastcgiLocation(host.phpGateway, docroot) });
  let seen: readonly AuditRecord[] = [];
  const records = async (): Promise<readonly AuditRecord[]> => (seen = await host.records());
  return { host, at: { port: nginx.port, service: 'php', records, log: () => seen.map(({ event, text }) => `${event} ${String(text)}`).join('\n') } };
}
