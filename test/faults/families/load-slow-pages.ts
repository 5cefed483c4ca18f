/** The pages wait: for themselves, for a lock, for a database, for an HTTP service elsewhere. */
import { rmSync, writeFileSync } from 'node:fs';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { ask } from '../../e2e/site.ts';
import { start } from '../../support/program.ts';
import { signal } from '../../support/processes.ts';
import type { TestScope } from '../../support/temp-folder.ts';
import { until } from '../../support/until.ts';
import type { Scene, Scenes } from '../fault.ts';
import { phpStack } from '../stacks/php.ts';
import { shopStack } from '../stacks/shop.ts';

/** A report that is expensive while `data/expensive` is there: the page sleeps where a real one would compute or wait. */
const report = '<?php if (file_exists(__DIR__ . "/../data/expensive")) sleep(6); echo "report";';

/** All visitors have the same session: an API client that sends one cookie, or a page that makes a dozen requests. */
const startsSession = 'session_save_path(__DIR__ . "/../data"); session_id("cart4711"); session_start();';
const cart = `<?php ${startsSession} $_SESSION["views"] = ($_SESSION["views"] ?? 0) + 1; echo "cart";`;
/** Keeps the session as long as `data/exporting` is there, a minute at most. */
const exporter = `<?php ${startsSession} for ($i = 0; $i < 600 && file_exists(__DIR__ . "/../data/exporting"); $i++) { usleep(100000); clearstatcache(); } echo "exported";`;

export const slowPages: Scenes = {
  async 'slow-page'(t) {
    const { at, fpm } = await phpStack(t, { fpm: { scripts: { 'report.php': report } } });
    const expensive = join(fpm.data, 'expensive');
    return { at, visits: { path: '/report.php' }, inject: () => writeFileSync(expensive, ''), takeAway: () => rmSync(expensive) };
  },
  async 'session-lock'(t) {
    const { at, fpm, nginx } = await phpStack(t, { fpm: { scripts: { 'cart.php': cart, 'export.php': exporter } } });
    const exporting = join(fpm.data, 'exporting');
    const inject = (): void => {
      writeFileSync(exporting, '');
      // whoever asked for it gets nothing when the lab gives up before
      void ask(`${nginx.url}/export.php`).catch(() => undefined);
    };
    return { at, visits: { path: '/cart.php' }, inject, takeAway: () => rmSync(exporting) };
  },
  async 'slow-remote-api'(t) {
    const api = await moodyApi(t);
    const page = `<?php echo file_get_contents("http://127.0.0.1:${api.port}/stock");`;
    const { at } = await phpStack(t, { fpm: { scripts: { 'stock.php': page } } });
    return { at, visits: { path: '/stock.php' }, inject: api.fallSilent, takeAway: api.speak };
  },
  async 'slow-database'(t) {
    const { at, sql } = await shopStack(t);
    const inject = (): Promise<string> => sql('use shop; rename table articles to articles_all; create view articles as select id, price + 0 * sleep(6) as price from articles_all');
    const takeAway = (): Promise<string> => sql('use shop; drop view articles; rename table articles_all to articles');
    return { at, visits: { path: '/shop.php' }, inject, takeAway };
  },
  'table-locked': tableLocked,
};

async function tableLocked(t: TestScope): Promise<Scene> {
  const { at, mariadb, sql } = await shopStack(t);
  let client: number | undefined;
  const takeAway = (): void => {
    if (client !== undefined) signal(client, 'SIGTERM');
    client = undefined;
  };
  t.teardown(takeAway);
  const inject = async (): Promise<void> => {
    const statements = 'lock tables articles write; select sleep(60);';
    client = start(['/usr/bin/mariadb', '--no-defaults', '--user=root', `--socket=${mariadb.socket}`, 'shop', '--execute', statements]).pid;
    const isHeld = async (): Promise<boolean> => (await sql('show open tables from shop where in_use > 0')).includes('articles');
    await until(isHeld, { timeoutMs: 15_000, what: 'the table to be locked' });
  };
  return { at, visits: { path: '/shop.php' }, inject, takeAway };
}

interface MoodyApi {
  readonly port: number;
  /** Takes requests and answers none. */
  fallSilent(): void;
  /** Answers again, those that wait too. */
  speak(): void;
}

async function moodyApi(t: TestScope): Promise<MoodyApi> {
  let isSilent = false;
  const waiting = new Set<ServerResponse>();
  const server = createServer((_request, answer) => {
    if (!isSilent) return void answer.end('7');
    waiting.add(answer.once('close', () => waiting.delete(answer)));
  });
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(0, '127.0.0.1', resolve));
  t.teardown(() => {
    server.close();
    server.closeAllConnections();
  });
  const speak = (): void => {
    isSilent = false;
    for (const answer of waiting) answer.end('7');
  };
  return { port: (server.address() as AddressInfo).port, fallSilent: () => (isSilent = true), speak };
}
