import t from 'tap';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { hostSchema } from '../../src/config/host-schema.ts';
import { jsonSchemas } from '../../src/config/json-schema.ts';
import { policySchema } from '../../src/config/policy-schema.ts';
import { signatureFileSchema } from '../../src/config/signature-schema.ts';
import { keyTable, symptomList } from './reference-tables.ts';

const folder = join(import.meta.dirname, '../../docs/schema');

t.test('the JSON Schemas in docs/schema are the schemas that the loader obeys', async (t) => {
  for (const [name, schema] of Object.entries(jsonSchemas())) {
    const text = `${JSON.stringify(schema, null, 2)}\n`;
    // As with tap's own snapshots: TAP_SNAPSHOT=1 writes what the next runs compare with.
    if (process.env['TAP_SNAPSHOT'] === '1') writeFileSync(join(folder, name), text);
    t.equal(readFileSync(join(folder, name), 'utf8'), text, `${name}: write it anew with TAP_SNAPSHOT=1 node test/config/json-schema.test.ts`);
  }
});

t.test('docs/configuration.md says of each key what the loader obeys', async (t) => {
  const file = join(folder, '../configuration.md');
  const page = readFileSync(file, 'utf8');
  const tables: Readonly<Record<string, string>> = { host: keyTable(hostSchema), policy: keyTable(policySchema), signature: keyTable(signatureFileSchema), kinds: symptomList() };
  const text = page.replace(
    /(<!-- (\w+): made by .*? -->\n)[^]*?(<!-- end -->)/g,
    (_all, begin: string, name: string, end: string) => `${begin}\n${tables[name] ?? `there is no table ${name}`}\n${end}`,
  );
  if (process.env['TAP_SNAPSHOT'] === '1') writeFileSync(file, text);
  t.equal(readFileSync(file, 'utf8'), text, 'configuration.md: write it anew with TAP_SNAPSHOT=1 node test/config/json-schema.test.ts');
  for (const name of Object.keys(tables)) t.ok(text.includes(`<!-- ${name}: `), name);
});

t.test('an editor learns of each key its meaning, its default and how it is written', async (t) => {
  t.match(jsonSchemas()['goodgateway.json'], {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    required: ['version', 'gateways'],
    properties: {
      gateways: {
        additionalProperties: {
          properties: { timeouts: { properties: { connect: { type: 'string', pattern: String, default: '1s', description: /How long one connect/ } } } },
          additionalProperties: false,
        },
      },
    },
  });
});

t.test('the schema for editors accepts a right policy and a list, and refuses a wrong key', async (t) => {
  const schema = z.fromJSONSchema(jsonSchemas()['policy.json'] ?? {});
  const policy = { version: 1, name: 'shop', mode: 'observe', service: { type: 'systemd', unit: 'shop.service' }, hung_after: '5s' };
  const { version, ...unversioned } = policy;
  const accepts = (value: object) => schema.safeParse(value).success;
  t.ok(accepts(policy));
  t.ok(accepts({ version, policies: [unversioned, policy] }));
  t.notOk(accepts({ ...policy, hung_afer: '5s' }));
  t.notOk(accepts({ ...policy, hung_after: '5 seconds' }));
  t.notOk(accepts({ ...policy, mode: 'watch' }));
});
