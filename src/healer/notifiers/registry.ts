/** Every way of telling, each in a file of its own. `log` is none: the log has every message in any case. */
export { email } from './email.ts';
export { run } from './run.ts';
export { webhook } from './webhook.ts';
