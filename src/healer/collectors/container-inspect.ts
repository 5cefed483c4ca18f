import { redactWords } from '../audit/redact.ts';
import { askEngine, containerPath, refusalText } from '../service-parts/engine.ts';
import type { Collector } from '../leaves.ts';

/** What the Engine knows of the container, but for its environment and what its commands keep secret. */
export const containerInspect: Collector = {
  name: 'container_inspect',
  applies: ({ config }) => config.type === 'docker',
  async collect({ target: { config }, timeoutMs, maxBytes }, signal) {
    if (config.type !== 'docker') throw new Error('the service is no container');
    const answer = await askEngine(config.api, { method: 'GET', path: containerPath(config, 'json'), timeoutMs, mostBytes: maxBytes }, signal);
    if (answer.kind !== 'answered') throw new Error(answer.why);
    if (answer.status !== 200) throw new Error(refusalText(answer));
    return withoutSecrets(JSON.parse(answer.body.toString('utf8')));
  },
};

/** Environments hold secrets by custom. Of a command, written word by word, only its words together tell which one is a secret. */
function withoutSecrets(inspected: unknown): string {
  return JSON.stringify(inspected, (key, value: unknown) => (key === 'Env' ? '[left out]' : isWords(value) ? redactWords(value).text : value), 1);
}

function isWords(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((word) => typeof word === 'string');
}
