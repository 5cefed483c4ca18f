/**
 * `npm run matrix`: the failure matrix, goodgateway beside every other proxy that is installed. Tables to standard
 * output, progress and differences to standard error. Exit status 1 when a cell of goodgateway is not the expected one.
 *
 *   --only 1.1,1.7       these tables
 *   --proxies nginx,caddy   goodgateway and these
 */
import { parseArgs } from 'node:util';
import { differences } from './differences.ts';
import type { Proxy } from './proxies/proxy.ts';
import { markdown, type Column, type Table } from './markdown.ts';
import { openScope, type Scope } from '../scope.ts';
import type { Section } from './section.ts';
import { sections } from './sections/registry.ts';

/** A column that takes longer than this is given up: something hangs that no row foresaw. */
const columnLimitMs = 120_000;

const couldNotBeTried = 'could not be tried here';

const { values } = parseArgs({ options: { only: { type: 'string' }, proxies: { type: 'string' } } });
const chosen = sections.filter(({ id }) => values.only === undefined || values.only.split(',').includes(id));
if (chosen.length === 0) {
  process.stderr.write(`expected --only to name tables out of ${sections.map(({ id }) => id).join(', ')}, got ${values.only}\n`);
  process.exit(2);
}
const scopes = new Set<Scope>();
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void Promise.all([...scopes].map((scope) => scope.end())).then(() => process.exit(130)));

const tables: Table[] = [];
for (const section of chosen) tables.push(await fill(section));
process.stdout.write(await markdown(tables));
const wrong = tables.flatMap(({ wrong }) => wrong);
for (const line of wrong) process.stderr.write(`DIFFERS ${line}\n`);
process.stderr.write(wrong.length === 0 ? 'Every cell of goodgateway is the expected one.\n' : `${wrong.length} cells of goodgateway are not the expected ones.\n`);
process.exit(wrong.length === 0 ? 0 : 1);

/** All proxies at once, unless milliseconds are compared: most of a row's time is waiting for a timeout. */
async function fill(section: Section): Promise<Table> {
  process.stderr.write(`${section.id} ${section.title} …\n`);
  const proxies = section.proxies.filter(isChosen);
  const columns: Column[] = [];
  if (section.oneByOne) for (const proxy of proxies) columns.push(await fillColumn(section, proxy));
  else columns.push(...(await Promise.all(proxies.map((proxy) => fillColumn(section, proxy)))));
  const wrong = columns.flatMap(({ proxy, outcomes, gaveUp }) => [
    ...differences(section, { proxy, unix: false }, outcomes),
    ...(gaveUp === couldNotBeTried && proxy.isGoodgateway === true ? [`${section.id} ${proxy.name}: ${gaveUp}`] : []),
  ]);
  return { section, columns, wrong };
}

async function fillColumn(section: Section, proxy: Proxy): Promise<Column> {
  if ((await proxy.version()) === undefined) return { proxy, outcomes: [], gaveUp: 'not installed' };
  const scope = openScope();
  scopes.add(scope);
  let timer: NodeJS.Timeout | undefined;
  const tooLong = new Promise<never>((_resolve, reject) => (timer = setTimeout(() => reject(new Error(`took longer than ${columnLimitMs / 1000} s`)), columnLimitMs)));
  try {
    return { proxy, outcomes: await Promise.race([section.run({ scope, proxy, unix: false, rounds: 3 }), tooLong]), gaveUp: undefined };
  } catch (error) {
    const gaveUp = error instanceof Error ? error.message : String(error);
    // the whole reason may quote paths of this machine, which belong in no document
    process.stderr.write(`${section.id} ${proxy.name}: ${gaveUp}\n`);
    return { proxy, outcomes: [], gaveUp: couldNotBeTried };
  } finally {
    clearTimeout(timer);
    await scope.end();
    scopes.delete(scope);
  }
}

function isChosen({ name, isGoodgateway }: Proxy): boolean {
  return isGoodgateway === true || values.proxies === undefined || values.proxies.split(',').some((wanted) => name.startsWith(wanted));
}
