import { cannotStartDebianHost } from '../../e2e/debian-host.ts';
import { missing } from '../../support/skip.ts';
import type { StackName } from '../expected.ts';

const needs: Readonly<Record<StackName, () => string | false>> = {
  php: () => missing('nginx', 'php-fpm8.2'),
  php_tcp: () => missing('nginx', 'php-fpm8.2'),
  shop: () => missing('nginx', 'php-fpm8.2', 'mysqli', 'mariadbd', 'redis-server'),
  apache: () => missing('nginx', 'apache2', 'php-fpm8.2'),
  node: () => missing('nginx'),
  nginx: () => missing('nginx'),
  systemd: () => missing('nginx') || cannotStartDebianHost,
};

/** Why this stack cannot be built here, with the command that cures it; `false` when it can. */
export function whyNotHere(stack: StackName): string | false {
  return needs[stack]();
}
