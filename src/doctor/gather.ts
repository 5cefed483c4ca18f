/** Reads the host once: processes, accounts, nginx, php-fpm, the services of the policies. Every check works on this. */
import type { Configuration } from '../config/load.ts';
import { fpmConfigurationFiles } from '../healer/probes/read-fpm-pool.ts';
import * as registeredTypes from '../healer/services/registry.ts';
import { readAccounts } from './accounts.ts';
import type { DoctorContext, DoctorService, Outside } from './check.ts';
import type { Unseen } from './finding.ts';
import type { HostFiles } from './host-files.ts';
import type { LastRun } from './last-run.ts';
import { nginxFrom, type Nginx } from './nginx/passes.ts';
import { readNginx } from './nginx/read-nginx.ts';
import { readPools } from './pools.ts';
import { readHostProcesses } from './processes.ts';

export interface Gathering {
  readonly outside: Outside;
  readonly files: HostFiles;
  readonly configuration: Configuration | undefined;
  readonly mistakes: readonly string[];
  /** nginx's main file, where it is not the usual one. */
  readonly nginxFile: string | undefined;
  readonly lastRun: LastRun | undefined;
}

const usualNginx = '/etc/nginx/nginx.conf';
const usualUnits = ['nginx.service', 'apache2.service', 'httpd.service', 'goodgateway.service'];

/** The context of all checks, and what of it could not be read. */
export async function gather(gathering: Gathering): Promise<{ readonly context: DoctorContext; readonly unseen: readonly Unseen[] }> {
  const { outside, files, configuration, mistakes, lastRun } = gathering;
  const services = configuration ? servicesOf(configuration) : [];
  const [accounts, processes, nginx] = await Promise.all([readAccounts(files), readHostProcesses(files), nginxOf(gathering)]);
  const mains = services.flatMap(({ target }) => fpmConfigurationFiles(target).slice(0, 1));
  const { pools, unseen } = await readPools(files, mains);
  const named = services.flatMap(({ target }) => (target.config.type === 'systemd' ? [target.config.unit] : []));
  const ofPools = pools.map((pool) => /^\/etc\/php\/([\d.]+)\/fpm\//.exec(pool.main)?.[1]).map((php) => (php === undefined ? 'php-fpm.service' : `php${php}-fpm.service`));
  const units = [...new Set([...named, ...ofPools, ...usualUnits])];
  const unmeasured: Unseen = { subject: 'slowest pages, largest headers', why: 'not measured: nothing on this host counts them' };
  return { context: { outside, files, accounts, configuration, mistakes, services, nginx, pools, processes, units, lastRun }, unseen: [...unseen, ...(nginx ? [] : [unread(gathering)]), unmeasured] };
}

function unread({ nginxFile, files }: Gathering): Unseen {
  const file = nginxFile ?? usualNginx;
  return { subject: 'nginx', why: files.refused.includes(file) ? `this user may not read ${file}` : `there is no ${file}; name its main file with --nginx` };
}

async function nginxOf({ files, nginxFile }: Gathering): Promise<Nginx | undefined> {
  const file = nginxFile ?? usualNginx;
  const directives = await readNginx(files, file);
  return directives && nginxFrom(file, directives);
}

function servicesOf({ policies, host }: Configuration): readonly DoctorService[] {
  const types = Object.values(registeredTypes);
  return [...policies.values()].flatMap(({ policy }): readonly DoctorService[] => {
    const type = types.find((each) => each.name === policy.service.type);
    const own = Object.values(host.gateways).filter((gateway) => gateway.service === policy.name);
    const upstreams = own.length > 0 ? own.flatMap((gateway) => [gateway.upstream, ...gateway.also_allowed]) : (policy.service.listen ?? []);
    const target = { name: policy.name, config: policy.service, upstreams, current: 0, protocol: own[0]?.protocol, stateFolder: host.state };
    return type ? [{ target, type, mode: policy.mode }] : [];
  });
}
