import t from 'tap';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { documentedBlocks } from '../support/documented.ts';
import { finish } from '../support/program.ts';
import { tempFolder } from '../support/temp-folder.ts';

const main = join(import.meta.dirname, '../../src/cli/main.ts');

/** What the documentation shows. */
const shopLog = [
  '2026/11/22 03:12:07 [error] 731#731: *90 recv() failed (104: Connection reset by peer) while reading response header from upstream, client: 203.0.113.9, server: shop.example, request: "POST /cart?token=SECRET HTTP/2.0", upstream: "fastcgi://unix:/run/php/shop.sock:", host: "shop.example"',
  '[22-Nov-2026 03:12:06] WARNING: [pool shop] child 4711 exited on signal 9 (SIGKILL) after 3.2 seconds from start',
  'Nov 22 03:12:05 web1 kernel: Memory cgroup out of memory: Killed process 4711 (php-fpm8.2) total-vm:900000kB',
  '',
].join('\n');
const ownLine = '2026-11-22T03:12:05 payment provider pay.example did not answer within 30 s\n';

function explain(folder: string, args: readonly string[], input?: string) {
  return finish([process.execPath, main, 'explain', ...args], { folder, ...(input === undefined ? {} : { input }) });
}

t.test('the documentation shows what is printed', async (t) => {
  const folder = tempFolder(t);
  writeFileSync(join(folder, 'shop.log'), shopLog);
  const [shown = ''] = documentedBlocks('docs/explain.md', 'console');
  const { code, output } = await explain(folder, ['shop.log']);
  t.equal(code, 1, 'a cause was named');
  t.equal(output.slice(0, shown.length - '$ goodgateway explain shop.log\n'.length), shown.replace('$ goodgateway explain shop.log\n', ''));
  t.match(output, /What helps: Make what runs in it smaller.*Read 3 lines; 3 of a known kind\./s);
  t.notMatch(output, /SECRET/);
});

t.test('own signatures are obeyed without any configuration, and named by it where there is one', async (t) => {
  const folder = tempFolder(t);
  const [signatures = ''] = documentedBlocks('docs/explain.md', 'yaml');
  writeFileSync(join(folder, 'shop-signatures.yaml'), signatures);
  writeFileSync(join(folder, 'shop.log'), ownLine);
  const { code, output } = await explain(folder, ['--signatures', 'shop-signatures.yaml', '--json', 'shop.log']);
  t.equal(code, 1, output);
  const result = JSON.parse(output) as object;
  t.match(result, {
    causes: [
      {
        cause: 'dependency.other',
        confidence: 'likely',
        subject: 'pay.example',
        because: [/did not answer within 30 seconds/],
        against: [],
        remedy: /payment on account/,
        avoid: [/restart the shop/, /lies outside/],
      },
      {},
    ],
    lines: [{ line: 1, program: 'shop', time: '2026-11-22T03:12:05', signature: 'shop_payment_timeout', fields: { host: 'pay.example', seconds: 30 } }],
    incidents: [{ from: '2026-11-22T03:12:05', triggers: [] }],
    read: { lines: 1, known: 1 },
  });
  const [documented = ''] = documentedBlocks('docs/explain.md', 'json');
  t.same(keysOf(result), keysOf(JSON.parse(documented)), 'with the keys that the documentation names');
  const host = {
    version: 1,
    gateways: { shop: { listen: `unix:${folder}/g.sock`, protocol: 'http', upstream: '127.0.0.1:7081', service: 'shop' } },
    signatures: 'shop-signatures.yaml',
    policies: 'shop.policy',
  };
  writeFileSync(join(folder, 'shop.policy'), 'version: 1\nname: shop\nmode: observe\nservice: { type: external }\n');
  writeFileSync(join(folder, 'own.yaml'), JSON.stringify(host));
  t.match(await explain(folder, ['--config', 'own.yaml', '-'], ownLine), { code: 1, output: /dependency\.other, pay\.example \(likely\)/ });
});

t.test('a mistake in a signature file is shown at its place, and nothing is explained', async (t) => {
  const folder = tempFolder(t);
  writeFileSync(
    join(folder, 'bad.yaml'),
    'version: 1\nsignatures:\n  - id: x\n    program: shop\n    patterns: ["{a}{b}"]\n    meaning: Nothing {c}.\n    for: [{ cause: dependency.othr, weight: 200 }]\n',
  );
  const [explained, checked] = await Promise.all([explain(folder, ['--signatures', 'bad.yaml'], ownLine), finish([process.execPath, main, 'check', 'bad.yaml'], { folder })]);
  t.match(explained, { code: 2, output: /bad\.yaml:7:20: .*did you mean `dependency\.other`/ });
  t.match(checked, { code: 1, output: /bad\.yaml:7:\d+: .*from 1 to 100/ });
});

t.test('it says plainly when there is nothing, and when it was called wrongly', async (t) => {
  const folder = tempFolder(t);
  const answers = await Promise.all([explain(folder, [], 'all is well\n203.0.113.9 - - [22/Nov/2026:03:12:07 +0000] "GET / HTTP/1.1" 502 157 "-" "-"\n'), explain(folder, ['missing.log'])]);
  t.match(answers, [
    { code: 0, output: /Nothing that is known as trouble was found\.\nThe access log holds 1 answer of a gateway.*Read 2 lines; 0 of a known kind\./s },
    { code: 2, output: /missing\.log: there is no such file/ },
  ]);
});

/** The keys of the object, and those of the entries of its lists. */
function keysOf(value: object): readonly string[] {
  return Object.entries(value).flatMap(([key, inner]: [string, unknown]) => [key, ...Object.keys(Array.isArray(inner) ? Object(inner[0]) : Object(inner)).map((each) => `${key}.${each}`)]);
}
