export { configTest } from './config-test.ts';
export { fpmStatus } from './fpm-status.ts';
export { httpAnswer } from './http-answer.ts';
export { listenSocket } from './listen-socket.ts';
export { logTail } from './log-tail.ts';
export { orphans } from './orphans.ts';
export { processStates } from './process-states.ts';
export { serviceState } from './service-state.ts';
