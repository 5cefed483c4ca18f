import { utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { changesIn } from '../../src/healer/diagnose.ts';
import { parseDpkgLog, readDpkgLog } from '../../src/healer/probes/read-package-log.ts';
import { recentChanges } from '../../src/healer/probes/recent-changes.ts';
import type { ProbeContext } from '../../src/healer/leaves.ts';
import { FakeClock } from './fake-clock.ts';
import { evidence, serviceConfig, serviceTarget } from '../fixtures/healer/case-file.ts';
import { tempFolder } from '../support/temp-folder.ts';

const log = [
  '2026-11-26 02:11:05 startup archives unpack',
  '2026-11-26 02:11:08 upgrade php8.2-fpm:amd64 8.2.28-1 8.2.29-1',
  '2026-11-26 02:11:08 status half-configured php8.2-fpm:amd64 8.2.28-1',
  '2026-11-26 02:11:20 install php8.2-imagick:amd64 <none> 3.7.0-4',
  '2026-11-26 02:11:30 remove php8.2-xdebug:all 3.2.0 <none>',
  '2026-11-26 02:11:31 upgrade $(reboot):amd64 1 2',
  '2026-11-26 02:1',
].join('\n');

t.test("dpkg's log tells what was upgraded, installed and removed, and nothing else", async (t) => {
  const at = (time: string): number => Date.parse(`2026-11-26T${time}`);
  t.same(parseDpkgLog(log), [
    { atMs: at('02:11:08'), package: 'php8.2-fpm', from: '8.2.28-1', to: '8.2.29-1' },
    { atMs: at('02:11:20'), package: 'php8.2-imagick', to: '3.7.0-4' },
    { atMs: at('02:11:30'), package: 'php8.2-xdebug', from: '3.2.0' },
  ]);
});

t.test('what is older than the look back does not count', async (t) => {
  const file = join(tempFolder(t), 'dpkg.log');
  writeFileSync(file, log);
  t.same(
    (await readDpkgLog(file, Date.parse('2026-11-26T02:11:25'))).map((change) => change.package),
    ['php8.2-xdebug'],
  );
  utimesSync(file, 0, 0);
  t.same(await readDpkgLog(file, Date.parse('2026-11-26T02:11:25')), [], 'nothing was written since then');
  await t.rejects(readDpkgLog(join(file, 'none'), 0));
});

t.test('a configuration file that was changed shortly before the trouble is named, an old one is not', async (t) => {
  const folder = tempFolder(t);
  const [fresh, old] = [join(folder, 'app.conf'), join(folder, 'old.conf')];
  for (const file of [fresh, old]) writeFileSync(file, '');
  const clock = new FakeClock(1_800_000_000_000);
  const hoursAgo = (hours: number): Date => new Date(clock.wallMs() - hours * 3_600_000);
  utimesSync(fresh, hoursAgo(1.5), hoursAgo(1.5));
  utimesSync(old, hoursAgo(5), hoursAgo(5));
  const argv = ['/usr/bin/app', '--check', fresh, old];
  const target = serviceTarget({ config: serviceConfig({ type: 'process', start: ['/usr/bin/app'], config_test: argv }), protocol: 'http' });
  const context = { target, clock, lastGoodMs: clock.wallMs() - 3_600_000, serviceType: { state: async () => ({}), configTest: () => argv } } as unknown as ProbeContext;
  const found = await recentChanges.look(context, new AbortController().signal);
  t.same(
    found.filter(({ facts }) => facts['what'] === 'file').map(({ text }) => text),
    [`${fresh} was changed 1.5 h ago.`],
  );
  t.same(changesIn([...found.filter(({ facts }) => facts['what'] === 'file'), evidence('listener', {})]), [`${fresh} was changed 1.5 h ago.`]);
});
