import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { stringify } from 'yaml';
import { pidfileService } from '../e2e/site.ts';
import { startPhpFpm } from '../support/php-fpm.ts';
import { signal } from '../support/processes.ts';
import { finish, type Finished } from '../support/program.ts';
import { missing } from '../support/skip.ts';
import { tempFolder, type TestScope } from '../support/temp-folder.ts';
import { until } from '../support/until.ts';

const main = join(import.meta.dirname, '../../src/cli/main.ts');

interface Place {
  readonly folder: string;
  diagnose(...args: readonly string[]): Promise<Finished>;
}

/** A host with this service, and nothing of goodgateway running. */
function place(t: TestScope, service: Readonly<Record<string, unknown>>, upstream: string): Place {
  const folder = tempFolder(t);
  writeFileSync(join(folder, 'shop.yaml'), stringify({ version: 1, name: 'shop', mode: 'observe', service }));
  const gateways = { shop: { listen: `unix:${folder}/shop.sock`, protocol: 'fastcgi', upstream, service: 'shop' } };
  writeFileSync(join(folder, 'goodgateway.yaml'), stringify({ version: 1, gateways, policies: 'shop.yaml', state: `${folder}/state`, runtime: `${folder}/run`, audit: { folder: `${folder}/audit` } }));
  return {
    folder,
    diagnose: (...args) => finish([process.execPath, '--disable-warning=ExperimentalWarning', main, 'diagnose', ...args, '--config', join(folder, 'goodgateway.yaml')]),
  };
}

t.test('diagnose names what is wrong now, what helps and what does not, and only looks', { skip: missing('php-fpm8.2') }, async (t) => {
  const fpm = await startPhpFpm(t, { maxChildren: 2 });
  const { folder, diagnose } = place(t, pidfileService(fpm), fpm.address);

  const well = await diagnose();
  t.equal(well.code, 0, well.output);
  t.match(well.output, /^shop\n {2}Nothing is known to be wrong with shop\.\n/);

  for (const { pid } of fpm.processes()) signal(pid, 'SIGSTOP');
  await until(() => fpm.processes().every(({ state }) => state === 'T'), { timeoutMs: 15_000, what: 'all to be stopped' });
  const frozen = await diagnose('shop');
  for (const { pid } of fpm.processes()) signal(pid, 'SIGCONT');
  t.equal(frozen.code, 1);
  t.match(frozen.output, /^shop: service\.hung \(certain\), shop\n/);
  t.match(frozen.output, /\n {2}for it: {5}\S/);

  for (const { pid } of fpm.processes()) signal(pid, 'SIGKILL');
  await until(() => fpm.processes().length === 0, { timeoutMs: 15_000, what: 'the end of php-fpm' });
  const dead = await diagnose('shop', '--json');
  t.equal(dead.code, 1);
  const [found] = (JSON.parse(dead.output) as { services: Record<string, unknown>[] }).services;
  t.match(found, {
    service: 'shop',
    symptom: String,
    cause: 'service.crashed',
    confidence: 'certain',
    subject: 'shop',
    because: [String],
    remedy: /Start it: .*php-fpm8\.2/,
    others: Array,
    unseen: Array,
  });
  t.ok(
    (found!['changes'] as string[]).some((text) => text.includes('fpm.conf was changed')),
    'what was changed shortly before stands beside the cause',
  );
  t.same(fpm.processes(), [], 'nothing was started');

  t.same(readdirSync(folder).toSorted(), ['goodgateway.yaml', 'shop.yaml'], 'nothing was written');
  t.notOk(existsSync(join(folder, 'audit')));
});

t.test('diagnose is called wrongly with a service that there is not', async (t) => {
  const { diagnose } = place(t, { type: 'external' }, '127.0.0.1:9');
  const wrong = await diagnose('shp');
  t.equal(wrong.code, 2);
  t.match(wrong.output, /no policy has the name shp; there are shop/);
});
