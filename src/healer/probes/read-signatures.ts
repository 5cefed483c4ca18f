import type { Signature } from './read-lines.ts';

/** The lines of php-fpm's, Apache's and nginx's logs that decide something. The first that matches names the line. */
export const logSignatures: readonly Signature[] = [
  { name: 'max_children_reached', pattern: '[pool {pool}] server reached pm.max_children setting ({limit:int})' },
  { name: 'max_children_reached', pattern: '[pool {pool}] server reached max_children setting ({limit:int})' },
  { name: 'max_children_reached', pattern: 'server reached MaxRequestWorkers setting' },
  { name: 'pool_busy', pattern: '[pool {pool}] seems busy (' },
  { name: 'already_listening', pattern: 'Another FPM instance seems to already listen on {address}' },
  { name: 'bind_failed', pattern: "unable to bind listening socket for address '{address}': {reason}" },
  { name: 'bind_failed', pattern: 'could not bind to address {address}' },
  { name: 'bind_failed', pattern: 'EADDRINUSE: address already in use {address}' },
  { name: 'child_signalled', pattern: '[pool {pool}] child {pid:int} exited on signal {signal:int}' },
  { name: 'child_signalled', pattern: 'child pid {pid:int} exit signal {signal}' },
  { name: 'config_error', pattern: 'ERROR: [{file}:{line:int}] {reason}' },
  { name: 'config_error', pattern: "failed to load configuration file '{file}'" },
  { name: 'config_error', pattern: 'Syntax error on line {line:int} of {file}:' },
];
