export { page } from './page.ts';
export { reload } from './reload.ts';
export { restart } from './restart.ts';
export { run } from './run.ts';
export { start } from './start.ts';
export { switchUpstream } from './switch-upstream.ts';
export { terminateOrphans } from './terminate-orphans.ts';
export { wait } from './wait.ts';
