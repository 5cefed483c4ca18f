import { askEngine, containerPath, engineMessage } from '../service-parts/engine.ts';
import type { Collector } from '../leaves.ts';

/** What the Engine knows of the container, but for its environment, which holds secrets by custom. */
export const containerInspect: Collector = {
  name: 'container_inspect',
  applies: ({ config }) => config.type === 'docker',
  async collect({ target: { config }, timeoutMs, maxBytes }, signal) {
    if (config.type !== 'docker') throw new Error('the service is no container');
    const answer = await askEngine(config.api, { method: 'GET', path: containerPath(config, 'json'), timeoutMs, mostBytes: maxBytes }, signal);
    if (answer.kind !== 'answered') throw new Error(answer.why);
    if (answer.status !== 200) throw new Error(`the Engine answered ${answer.status}: ${engineMessage(answer.body)}`);
    return JSON.stringify(JSON.parse(answer.body.toString('utf8')), (key, value: unknown) => (key === 'Env' ? '[left out]' : value), 1);
  },
};
