/**
 * `npm run bench [-- --only http,fastcgi] [--write]`: the budgets, measured side by side in one run. Builds first: what
 * is measured is what is installed. `--write` makes docs/performance.md of it.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { succeed } from '../test/support/program.ts';
import { asking } from './parts/asking.ts';
import { burst } from './parts/burst.ts';
import { diagnosis } from './parts/diagnosis.ts';
import { explain } from './parts/explain.ts';
import { fastcgi } from './parts/fastcgi.ts';
import { http } from './parts/http.ts';
import { memory } from './parts/memory.ts';
import { repair } from './parts/repair.ts';
import { openScope, type Scope } from './scope.ts';

const parts: Readonly<Record<string, { readonly title: string; readonly measure: (scope: Scope) => Promise<string> }>> = {
  http: { title: 'HTTP', measure: http },
  fastcgi: { title: 'FastCGI', measure: fastcgi },
  burst: { title: 'A burst', measure: burst },
  diagnosis: { title: 'A diagnosis', measure: diagnosis },
  repair: { title: 'A repair under load', measure: repair },
  memory: { title: 'Memory', measure: memory },
  explain: { title: 'Reading a log', measure: explain },
  asking: { title: 'Asking the audit log', measure: asking },
};

const { values } = parseArgs({ options: { only: { type: 'string' }, write: { type: 'boolean', default: false } } });
const wanted = values.only?.split(',') ?? Object.keys(parts);
const unknown = wanted.filter((name) => !(name in parts));
if (unknown.length > 0) {
  process.stderr.write(`--only ${unknown.join(',')}: expected some of ${Object.keys(parts).join(', ')}\n`);
  process.exit(2);
}

await succeed(['npm', 'run', '--silent', 'build'], { timeoutMs: 120_000 });
const sections: string[] = [await introduction()];
print(sections[0]!);
for (const name of wanted) {
  const { title, measure } = parts[name]!;
  const scope = openScope();
  try {
    sections.push(`## ${title}\n\n${await measure(scope)}`);
    print(sections.at(-1)!);
  } finally {
    await scope.end();
  }
}
if (values.write) writeFileSync(join(import.meta.dirname, '../docs/performance.md'), `${sections.join('\n\n')}\n`);

async function introduction(): Promise<string> {
  const versions = await Promise.all([
    version(['/usr/sbin/nginx', '-v'], /nginx\/(\S+)/),
    version(['/usr/sbin/haproxy', '-v'], /version (\S+)/),
    version(['/usr/bin/caddy', 'version'], /v?(\d\S*)/),
    version(['/usr/sbin/php-fpm8.2', '-v'], /PHP (\S+)/),
  ]);
  const [nginx, haproxy, caddy, php] = versions;
  const kernel = readFileSync('/proc/sys/kernel/osrelease', 'utf8').trim();
  return `# Performance

The output of \`npm run bench -- --write\` on ${new Date().toISOString().slice(0, 10)}: ${cpus().length} shared cores, ${Math.round(totalmem() / 1024 ** 3)} GiB, Linux ${kernel}, Node ${process.versions.node}; nginx ${nginx}, haproxy ${haproxy}, caddy ${caddy}, php-fpm ${php} as Debian 12 ships them (old versions: newer ones may do better).
Shared cores are noisy: only numbers of one run can be compared, and ratios say more than the numbers themselves.`;
}

async function version(argv: readonly string[], pattern: RegExp): Promise<string> {
  const output = await succeed(argv).catch(() => '');
  return pattern.exec(output)?.[1] ?? '(not installed)';
}

function print(text: string): void {
  process.stdout.write(`${text}\n\n`);
}
