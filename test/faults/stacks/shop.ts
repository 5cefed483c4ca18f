/** A shop: nginx → goodgateway → php-fpm, with MariaDB, Redis and an HTTP service, all of which goodgateway looks after. */
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { pidfileService } from '../../e2e/site.ts';
import { startGoodgateway, type Goodgateway } from '../../support/goodgateway.ts';
import { fastcgiLocation, startNginx, upstreamBlock } from '../../support/nginx.ts';
import { startPhpFpm, type PhpFpm } from '../../support/php-fpm.ts';
import { freePort } from '../../support/ports.ts';
import type { TestScope } from '../../support/temp-folder.ts';
import type { Watched } from '../fault.ts';
import { prepareMariadb, prepareRedis, type DaemonStore } from './daemon-stores.ts';
import { labPolicy, labSafety } from './ready.ts';
import { shopPage } from './shop-page.ts';

export interface ShopOptions {
  /** More options of the servers. */
  readonly mariadb?: readonly string[];
  readonly redis?: readonly string[];
  readonly maxChildren?: number;
  /** Lines of the pool. */
  readonly pool?: readonly string[];
}

export interface ShopStack {
  readonly at: Watched;
  readonly gateway: Goodgateway;
  readonly fpm: PhpFpm;
  readonly mariadb: DaemonStore;
  readonly redis: DaemonStore;
  /** The HTTP service that the pages ask: ends it, or starts it again. */
  readonly api: { stop(): Promise<void>; start(): Promise<void> };
  /** The password that the pages have for MariaDB. */
  writePassword(password: string): void;
  /** Runs SQL as root, and gives what was printed. */
  sql(text: string): Promise<string>;
}

/** The password of the user `shop`. */
export const password = 'correct-horse';

export async function shopStack(t: TestScope, options: ShopOptions = {}): Promise<ShopStack> {
  const mariadb = await prepareMariadb(t, options.mariadb ?? []);
  const redis = await prepareRedis(t, options.redis ?? []);
  await Promise.all([mariadb.start(), redis.start()]);
  await mariadb.sql(
    `create database shop; create table shop.articles (id int primary key, price int) engine=innodb; insert into shop.articles values (1, 42); create user shop@localhost identified by '${password}'; grant all on shop.* to shop@localhost`,
  );
  const api = await apiService(t);
  const page = shopPage({ mariadb: mariadb.socket, redis: redis.socket, api: api.port });
  const fpm = await startPhpFpm(t, { maxChildren: options.maxChildren ?? 5, pool: options.pool ?? [], scripts: { 'shop.php': page } });
  const writePassword = (text: string): void => writeFileSync(join(fpm.data, 'password'), text);
  writePassword(password);
  const gateway = await startGoodgateway(t, {
    gateways: (folder) => ({ shop: { listen: `unix:${folder}/shop.sock`, socket: { group: 'www-data' }, protocol: 'fastcgi', upstream: fpm.address, service: 'php-fpm', hold: { requests: 2000 } } }),
    policies: [
      labPolicy('php-fpm.yaml', { service: pidfileService(fpm), depends_on: ['mariadb', 'redis', 'stock-api'], 'verify.checks': [{ service: 'running' }, { connect: 'ok' }] }),
      labPolicy('mariadb.yaml', { service: mariadb.service, watch: soonWatched, 'verify.checks': [{ service: 'running' }, { mysql: 'greeting' }] }),
      labPolicy('redis.yaml', { service: redis.service, watch: soonWatched, 'verify.checks': [{ service: 'running' }, { redis: 'PING' }] }),
      { version: 1, name: 'stock-api', mode: 'observe', service: { type: 'external', listen: [`127.0.0.1:${api.port}`] }, watch: soonWatched },
    ],
    host: { safety: labSafety },
  });
  const nginx = await startNginx(t, { http: upstreamBlock('php', [{ address: `unix:${gateway.folder}/shop.sock` }]), server: fastcgiLocation('php', fpm.docroot) });
  const at: Watched = { port: nginx.port, service: 'php-fpm', records: () => gateway.audit(), log: () => gateway.log() };
  return { at, gateway, fpm, mariadb, redis, api, writePassword, sql: mariadb.sql };
}

const soonWatched = { every: '500ms', connect_every: '1s' };

async function apiService(t: TestScope): Promise<ShopStack['api'] & { readonly port: number }> {
  const port = await freePort();
  let server = createServer((_request, answer) => answer.end('7'));
  const start = (): Promise<void> =>
    new Promise((resolve, reject) => {
      server = createServer((_request, answer) => answer.end('7'));
      server.once('error', reject).listen(port, '127.0.0.1', resolve);
    });
  const stop = (): Promise<void> =>
    new Promise((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
  await start();
  t.teardown(stop);
  return { port, start, stop };
}
