/** The columns of each table, goodgateway first. */
import { apache } from './apache.ts';
import { caddy, caddyRetry } from './caddy.ts';
import { goodgateway, goodgatewayBehindNginx, goodgatewayRecords } from './goodgateway.ts';
import { haproxy, haproxyRetry } from './haproxy.ts';
import { nginx } from './nginx.ts';
import type { Proxy } from './proxy.ts';
import { varnish } from './varnish.ts';

export const httpProxies: readonly Proxy[] = [goodgateway, nginx, haproxy, haproxyRetry, caddy, caddyRetry, apache, varnish];
export const plainProxies: readonly Proxy[] = [goodgateway, nginx, haproxy, caddy, apache, varnish];
export const fastcgiProxies: readonly Proxy[] = [goodgatewayBehindNginx, goodgatewayRecords, nginx, haproxy, caddy, apache];
