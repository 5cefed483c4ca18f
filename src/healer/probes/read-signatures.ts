import type { Signature } from './read-lines.ts';

/**
 * The lines of php-fpm's, Apache's, nginx's and MariaDB's logs that decide something. The first that matches names the
 * line. Signatures of one name are one thing in several words: the last line of them is kept.
 */
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
  { name: 'executing_slow', pattern: "[pool {pool}] child {pid:int}, script '{script}' (request: {request}) executing too slow ({seconds}" },
  { name: 'execution_timed_out', pattern: "[pool {pool}] child {pid:int}, script '{script}' (request: {request}) execution timed out ({seconds} sec" },
  { name: 'php_memory_limit', pattern: 'Allowed memory size of {limit:int} bytes exhausted (tried to allocate {wanted:int} bytes) in {file} on line {line:int}' },
  { name: 'php_time_limit', pattern: 'Maximum execution time of {limit:int} second{plural} exceeded in {file} on line {line:int}' },
  { name: 'php_fatal', pattern: 'PHP Fatal error: {reason} in {file}:{line:int}' },
  { name: 'php_fatal', pattern: 'PHP Fatal error: {reason} in {file} on line {line:int}' },
  { name: 'php_fatal', pattern: 'PHP Parse error: {reason} in {file} on line {line:int}' },
  { name: 'request_too_big', pattern: 'invalid request block size: {size:int} (max {limit:int})' },
  { name: 'worker_timeout', pattern: '[CRITICAL] WORKER TIMEOUT (pid:{pid:int})' },
  { name: 'config_error', pattern: 'ERROR: [{file}:{line:int}] {reason}' },
  { name: 'config_error', pattern: "failed to load configuration file '{file}'" },
  { name: 'config_error', pattern: 'Syntax error on line {line:int} of {file}:' },
  { name: 'no_space', pattern: 'No space left on device' },
  { name: 'no_space', pattern: 'Disk is full writing ' },
  { name: 'data_corrupt', pattern: "[ERROR] InnoDB: Failed to read page {page:int} from file '{file}': Page read from tablespace is corrupted" },
  { name: 'data_corrupt', pattern: '[ERROR] InnoDB: Database page corruption on disk or a failed' },
  { name: 'data_corrupt', pattern: '[ERROR] [MY-{code:int}] [InnoDB] Database page corruption on disk or a failed' },
  { name: 'table_crashed', pattern: "[ERROR] {program}: Table '{table}' is marked as crashed" },
  { name: 'database_start', pattern: 'InnoDB: Starting crash recovery' },
  { name: 'database_start', pattern: ': ready for connections' },
];
