/** What the README shows is what works: its configuration is checked, its snippets are those that the command prints. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { parse } from 'yaml';
import { nginxSnippet, type SnippetKind } from '../src/cli/nginx-snippet.ts';
import { hostSchema } from '../src/config/host-schema.ts';
import { parseNginx, type Directive } from '../src/doctor/nginx/parse-nginx.ts';
import { documentedBlocks } from './support/documented.ts';
import { finish } from './support/program.ts';
import { tempFolder } from './support/temp-folder.ts';

const root = join(import.meta.dirname, '..');
const blocks = (language: string): readonly string[] => documentedBlocks('README.md', language);

t.test('goodgateway.yaml and the policies of the README pass the check', async (t) => {
  const folder = tempFolder(t);
  const [host = '', policy = '', processService = ''] = blocks('yaml');
  mkdirSync(join(folder, 'policies.d'));
  writeFileSync(join(folder, 'goodgateway.yaml'), host);
  writeFileSync(join(folder, 'policies.d', 'php-fpm.yaml'), policy);
  const check = await finish([process.execPath, join(root, 'src/cli/main.ts'), 'check', '--config', join(folder, 'goodgateway.yaml')]);
  t.match(check, { code: 0 }, check.output);
  writeFileSync(join(folder, 'policies.d', 'php-fpm.yaml'), `version: 1\nname: php-fpm\nmode: observe\n${processService}`);
  const again = await finish([process.execPath, join(root, 'src/cli/main.ts'), 'check', '--config', join(folder, 'goodgateway.yaml')]);
  t.match(again, { code: 0 }, again.output);
});

// That the printed lines work is tried in e2e/printed-snippets-work-in-a-real-nginx.test.ts.
t.test('the snippets of README and docs/topologies.md are what `goodgateway nginx` prints', async (t) => {
  const [readme = ''] = blocks('yaml');
  const [php = '', http = ''] = blocks('nginx');
  const app = 'version: 1\ngateways: { app: { protocol: http, listen: unix:/run/goodgateway/app.sock, upstream: 127.0.0.1:7080, service: app } }';
  const [standby = '', several = '', moving = ''] = documentedBlocks('docs/topologies.md', 'yaml');
  const [standbyPhp = '', standbyHttp = '', severalSites = '', movingOne = ''] = documentedBlocks('docs/topologies.md', 'nginx');
  // the page shows one configuration for both protocols
  const standbyApp = standby.replace('  shop:', '  app:').replaceAll('shop.', 'app.').replace('fastcgi', 'http').replace('unix:/run/php/php8.2-fpm.sock', '127.0.0.1:7080');
  const pairs: readonly (readonly [yaml: string, block: string, kind: SnippetKind])[] = [
    [readme, php, 'inline'],
    [app, http, 'inline'],
    [standby, standbyPhp, 'standby'],
    [standbyApp, standbyHttp, 'standby'],
    [several, severalSites, 'inline'],
    [moving, movingOne, 'inline'],
  ];
  for (const [yaml, block, kind] of pairs) {
    const shown = parseNginx(block, 'shown');
    for (const [name, config] of Object.entries(hostSchema.parse(parse(yaml)).gateways)) {
      const snippet = nginxSnippet({ name, config }, kind);
      const expected = parseNginx([...snippet.http, ...snippet.upstream].join('\n'), 'printed').map(bare);
      for (const one of expected) t.strictSame(shown.map(bare).find(isAs(one)), one, `${kind} ${name}: ${one.name}`);
      const location = shown
        .flatMap(({ block: inside = [] }) => inside)
        .find(({ block: lines = [] }) => lines.some(({ name: pass, words }) => pass.endsWith('_pass') && words[0]?.replace('http://', '') === name));
      const own = (line: Directive): boolean => line.name === 'include' || line.words[0] === 'SCRIPT_FILENAME';
      t.strictSame(location?.block?.filter((line) => !own(line)).map(bare), parseNginx(snippet.location.join('\n'), 'printed').map(bare), `${kind} ${name}: the location`);
    }
  }
});

interface Bare {
  readonly name: string;
  readonly words: readonly string[];
  readonly block: readonly Bare[];
}

/** A directive without its place. */
function bare({ name, words, block = [] }: Directive): Bare {
  return { name, words, block: block.map(bare) };
}

function isAs({ name, words }: Bare): (one: Bare) => boolean {
  return (one) => one.name === name && one.words.join(' ') === words.join(' ');
}
