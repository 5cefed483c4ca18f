/** Each ```yaml and ```nginx block of the documentation: what is ours passes the check, what is nginx's is run somewhere. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { parse, stringify } from 'yaml';
import { checkFile } from '../../src/config/check-file.ts';
import { hostSchema } from '../../src/config/host-schema.ts';
import { policySchema } from '../../src/config/policy-schema.ts';
import { actionOptions } from '../../src/healer/action-options.ts';
import { documentedBlocks } from '../support/documented.ts';
import { startNginx } from '../support/nginx.ts';
import { missing } from '../support/skip.ts';
import { tempFolder, type TestScope } from '../support/temp-folder.ts';
import { pages } from './command-blocks.ts';

const root = join(import.meta.dirname, '../..');
type Keys = Readonly<Record<string, unknown>>;

/** Of other programs, or held by a test of their own; by one of their keys. */
const others: Readonly<Record<string, string>> = { scrape_configs: "Prometheus's", scenarios: 'test/cli/simulate.test.ts' };
/** Pages whose nginx blocks run in a real nginx; on other pages they are files by their first line, and `nginx -t` takes them. */
const runElsewhere: Readonly<Record<string, string>> = { 'README.md': 'test/readme.test.ts', 'docs/topologies.md': 'test/e2e/topology.ts', 'docs/dashboard.md': 'test/dashboard/everybody-can-read-it.test.ts' };

t.test('each block of YAML passes the check', async (t) => {
  const blocks = pages().flatMap((page) => ['yaml', 'yml'].flatMap((language) => documentedBlocks(page, language).map((text) => ({ page, text }))));
  t.ok(blocks.length > 25, `${blocks.length} blocks`);
  for (const { page, text } of blocks) {
    const keys = parse(text) as Keys;
    if (Object.keys(keys).some((key) => Object.hasOwn(others, key))) continue;
    const checked = await checkFile(fileWith(t, keys), { actionOptions });
    t.same(
      checked.problems.map(({ message }) => message),
      [],
      `${page}: ${text.split('\n', 3).join(' ')}`,
    );
  }
});

t.test('each block for nginx is run by a test', { skip: missing('nginx') }, async (t) => {
  for (const page of pages()) {
    const test = runElsewhere[page];
    const blocks = documentedBlocks(page, 'nginx');
    if (test !== undefined) t.ok(blocks.length > 0 && readFileSync(join(root, test), 'utf8').includes('documentedBlocks('), `${page} is run by ${test}`);
    // a named file is taken by `nginx -t` where its commands are run; anything else is started here
    else for (const block of blocks.filter((one) => !one.startsWith('# /etc/nginx/'))) await startNginx(t, { http: block, server: '' });
  }
});

/** A part of a file is completed; the services that gateways name get a policy. */
function fileWith(t: TestScope, keys: Keys): string {
  const folder = tempFolder(t, 'gg-yaml');
  const is = (schema: { readonly shape: object }): boolean => Object.keys(keys).every((key) => Object.hasOwn(schema.shape, key));
  if ('signatures' in keys && !('gateways' in keys)) return written(folder, 'signatures.yaml', keys);
  if ('name' in keys || (is(policySchema) && !is(hostSchema))) return written(folder, 'policy.yaml', { version: 1, name: 'some', mode: 'observe', service: { type: 'external' }, ...keys });
  const gateway = { listen: `unix:${folder}/some.sock`, protocol: 'fastcgi', upstream: 'unix:/run/some.sock', service: 'some' };
  const host = is(hostSchema) ? { version: 1, gateways: { some: gateway }, ...keys } : { version: 1, gateways: { some: { ...gateway, ...keys } } };
  mkdirSync(join(folder, 'policies.d'));
  const services = Object.values(host.gateways as Readonly<Record<string, { readonly service: string }>>).map(({ service }) => service);
  for (const name of new Set(services)) written(folder, `policies.d/${name}.yaml`, { version: 1, name, mode: 'observe', service: { type: 'external' } });
  return written(folder, 'goodgateway.yaml', host);
}

function written(folder: string, name: string, value: object): string {
  const file = join(folder, name);
  writeFileSync(file, stringify(value, { aliasDuplicateObjects: false }));
  return file;
}
