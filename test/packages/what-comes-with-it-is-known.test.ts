/** The supply chain: what an installation holds besides goodgateway, and that none of it runs while it is installed. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { billOfMaterials } from '../../packaging/supply-chain/bill-of-materials.ts';
import { licencesPage } from '../../packaging/supply-chain/licences-page.ts';
import { productionPackages, project } from '../../packaging/supply-chain/production-packages.ts';

const packages = productionPackages();
const permissive = ['0BSD', 'Apache-2.0', 'BSD-2-Clause', 'BSD-3-Clause', 'ISC', 'MIT', 'MIT-0'];

t.test('no package compiles anything or runs a script while it is installed', async (t) => {
  t.ok(packages.length > 20, `${packages.length} packages`);
  t.same(
    packages.filter(({ hasInstallScript }) => hasInstallScript),
    [],
  );
  const native = packages.flatMap(({ place }) => readdirSync(join(project, place), { recursive: true, encoding: 'utf8' }).filter((file) => /(^|\/)binding\.gyp$|\.node$/.test(file)));
  t.same(native, []);
});

t.test('every licence is one that may be used by anybody, and the page lists each: npm run licences', async (t) => {
  t.same(
    packages.filter(({ licence }) => !permissive.includes(licence)),
    [],
  );
  t.equal(readFileSync(join(project, 'docs/licences.md'), 'utf8'), licencesPage());
});

t.test('the bill of materials has each package with the hash of what npm fetched, and is the same each time', async (t) => {
  process.env['SOURCE_DATE_EPOCH'] = '1700000000';
  const bill = billOfMaterials();
  t.match(bill, { bomFormat: 'CycloneDX', specVersion: /^1\.[56]$/, metadata: { timestamp: '2023-11-14T22:13:20.000Z', component: { type: 'application', name: 'goodgateway' } } });
  t.same(new Set(bill.components.map(({ name, version }) => `${name}@${version}`)), new Set(packages.map(({ name, version }) => `${name}@${version}`)));
  t.same(
    bill.components.filter(({ hashes }) => !hashes.some(({ alg, content }) => alg === 'SHA-512' && content.length === 128)),
    [],
  );
  t.same(billOfMaterials(), bill);
});

t.test('the documentation says of each direct dependency why it is there', async (t) => {
  const manifest = JSON.parse(readFileSync(join(project, 'package.json'), 'utf8')) as { readonly dependencies: Readonly<Record<string, string>> };
  const text = readFileSync(join(project, 'docs/supply-chain.md'), 'utf8');
  const explained = [...text.matchAll(/^\| `([^`]+)` \| [^|]{5,} \|/gm)].map(([, name]) => name);
  t.same(explained, Object.keys(manifest.dependencies));
});
