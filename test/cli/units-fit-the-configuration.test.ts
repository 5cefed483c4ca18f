import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { configuredUnits } from '../../src/cli/configured-units.ts';
import { serviceUnits } from '../../src/cli/service-units.ts';
import { loadHost } from '../../src/config/load-host.ts';
import type { HostConfig } from '../../src/config/host-schema.ts';
import { finish, type Finished } from '../support/program.ts';
import { tempFolder } from '../support/temp-folder.ts';

const project = join(import.meta.dirname, '../..');
const debian = { node: '/usr/lib/goodgateway/bin/node', folder: '/usr/lib/goodgateway', code: 'dist' } as const;
const folder = tempFolder(t, 'gg-units');
const config = join(folder, 'goodgateway.yaml');

async function hostFrom(text: string): Promise<HostConfig> {
  writeFileSync(config, text);
  const loaded = await loadHost(config);
  if (!loaded.ok) throw new Error(JSON.stringify(loaded.problems));
  return loaded.host;
}

t.test('the files of the package are what the command writes for its paths', async (t) => {
  for (const [name, text] of Object.entries(serviceUnits(debian)))
    t.equal(readFileSync(join(project, 'packaging/systemd', name), 'utf8'), text, `${name}: goodgateway units --services --installed-in /usr/lib/goodgateway --write packaging/systemd`);
  t.same(readdirSync(join(project, 'packaging/systemd')).sort(), Object.keys(serviceUnits(debian)).sort());
});

t.test('sockets and drop-ins say what the configuration needs, and nothing more', async (t) => {
  const host = await hostFrom(`version: 1
proxy: { user: web, group: www-data }
gateways:
  shop: { listen: ["unix:/run/goodgateway/shop.sock", "[::1]:8000"], socket: { mode: "0600" }, protocol: http, upstream: "unix:/home/shop/app 100%.sock", service: shop }
  named: { listen: localhost:8001, protocol: http, upstream: 127.0.0.1:3000, service: shop }
admin: unix:/run/goodgateway/admin.sock
access_log: { file: /var/log/goodgateway-access/access.log }
`);
  const units = configuredUnits({ file: '/etc/goodgateway/goodgateway.yaml', host, services: [], installation: debian });
  t.same(Object.keys(units).sort(), ['goodgateway-admin.socket', 'goodgateway-gateway-shop.socket', 'goodgateway-proxy.service.d/50-configuration.conf', 'goodgateway.target.d/50-configuration.conf']);
  t.match(units['goodgateway-gateway-shop.socket'], /ListenStream=\/run\/goodgateway\/shop\.sock\nListenStream=\[::1\]:8000\nSocketUser=web\nSocketGroup=www-data\nSocketMode=0600\n/);
  const proxy = units['goodgateway-proxy.service.d/50-configuration.conf'] ?? '';
  t.match(proxy, /^Sockets=goodgateway-gateway-shop\.socket goodgateway-admin\.socket\nUser=web\nExecStart=\nExecStart=\/usr\/lib\/goodgateway\/bin\/node /m);
  t.match(proxy, /--allow-fs-read=\/home\/shop /);
  t.match(proxy, /--allow-fs-write=\/var\/log\/goodgateway-access\/access\.log /);
  t.notMatch(proxy, /--allow-fs-write=\/run/, 'it makes no socket');
  t.match(proxy, /^LogsDirectory=goodgateway-access\nProtectHome=read-only$/m);
  const healer = 'goodgateway-healer.service.d/50-configuration.conf';
  const own = configuredUnits({ file: '/etc/gg 1%.yaml', host, services: [{ type: 'init' } as never], installation: debian });
  t.match(own[healer], /--config "\/etc\/gg 1%%\.yaml"\n[^]*NoNewPrivileges=no/, 'a service that the healer starts is not locked in with it');
});

t.test('what is written fits, is written once, and what is wanted no longer goes', async (t) => {
  const written = join(folder, 'system');
  const units = (...words: readonly string[]): Promise<Finished> =>
    finish([process.execPath, '--disable-warning=ExperimentalWarning', join(project, 'src/cli/main.ts'), 'units', '--config', config, ...words]);
  const gateway = (name: string): string => `  ${name}: { listen: unix:/run/goodgateway/${name}.sock, protocol: http, upstream: 127.0.0.1:3000, service: shop }\n`;
  mkdirSync(join(folder, 'policies.d'));
  writeFileSync(join(folder, 'policies.d/shop.yaml'), 'version: 1\nname: shop\nmode: observe\nservice: { type: external }\n');
  writeFileSync(config, `version: 1\ngateways:\n${gateway('a')}`);
  t.match(await units(), { code: 2, output: /add to .*goodgateway\.yaml: proxy: \{ user: goodgateway, group: www-data \}/ });
  const begin = 'version: 1\nproxy: { user: goodgateway, group: www-data }\ngateways:\n';
  writeFileSync(config, begin + gateway('a'));
  t.match(await units('--write', written), { code: 0, output: /goodgateway-gateway-a\.socket: new/ });
  writeFileSync(join(written, 'goodgateway-proxy.service.d/override.conf'), '[Service]\nNice=1\n');
  writeFileSync(config, begin + gateway('b'));
  t.match(await units('--check', written), { code: 1, output: /gateway-b\.socket: missing[^]*target\.d.*does not fit[^]*gateway-a\.socket: no longer wanted/ });
  t.match(await units('--write', written), {
    code: 0,
    output: /now: systemctl daemon-reload && systemctl stop goodgateway-gateway-a\.socket && systemctl restart goodgateway-gateway-b\.socket goodgateway-proxy\.service/,
  });
  t.match(await units('--check', written), { code: 0, output: /fits/ });
  t.ok(readFileSync(join(written, 'goodgateway-proxy.service.d/override.conf'), 'utf8'), "the administrator's own drop-in stays");
  t.match(await units('--check', '--write'), { code: 2 });
  rmSync(written, { recursive: true });
});
