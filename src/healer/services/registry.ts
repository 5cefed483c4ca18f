export { docker } from './docker.ts';
export { external } from './external.ts';
export { init } from './init.ts';
export { process } from './process.ts';
export { systemd } from './systemd.ts';
