/** Wrong or slow in a way that is not the server's, or that no restart mends. */
import { writeFileSync } from 'node:fs';
import { startSite } from '../e2e/site.ts';
import { signal } from '../support/processes.ts';
import { missing } from '../support/skip.ts';
import type { Scenario } from './scenario.ts';
import { answered, diagnosedAs, traffic, underLoad } from './under-traffic.ts';

const skip = missing('nginx', 'php-fpm8.2');

export const unbroken: readonly Scenario[] = [
  {
    name: 'The application answers every request with an error of its own',
    skip,
    play: (t) =>
      underLoad(
        t,
        { fpm: { scripts: { 'broken.php': '<?php http_response_code(500); echo "Error establishing a database connection";' } } },
        { path: '/broken.php', rate: 50, until: (records, answers) => answers >= 300 && diagnosedAs('app.error')(records) },
      ),
  },
  {
    name: 'One visitor exports for minutes, the others go on',
    skip,
    onlyByHand: true,
    play: (t) => underLoad(t, {}, { path: '/hello.php', rate: 50, until: answered(400), beside: { path: '/late.php?ms=8000', rate: 0.4 } }),
  },
  {
    name: 'It is frozen, and its configuration would not let it start again',
    onlyByHand: true,
    skip,
    async play(t) {
      const site = await startSite(t);
      writeFileSync(site.fpm.config, 'this is no configuration\n');
      for (const { pid } of site.fpm.processes()) signal(pid, 'SIGSTOP');
      t.teardown(() => site.fpm.processes().forEach(({ pid }) => signal(pid, 'SIGCONT')));
      return traffic(t, site, { path: '/hello.php', rate: 20, until: diagnosedAs('config.invalid') });
    },
  },
];
