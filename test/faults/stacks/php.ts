/** nginx → goodgateway → php-fpm, with the policy that ships. */
import { killAll } from '../../e2e/topology.ts';
import { startSite, type Site, type SiteOptions } from '../../e2e/site.ts';
import type { TestScope } from '../../support/temp-folder.ts';
import type { Watched } from '../fault.ts';
import { labSafety, rulesSoon } from './ready.ts';

export interface PhpStack extends Site {
  readonly at: Watched;
  /** Kills every process of php-fpm, and waits for their end. */
  kill(): Promise<void>;
}

/** A fresh one for each fault: what was remembered of the last one would speak in the next. */
export async function phpStack(t: TestScope, options: SiteOptions = {}): Promise<PhpStack> {
  const site = await startSite(t, { ...options, host: { safety: labSafety, ...options.host }, policy: { ...rulesSoon('php-fpm.yaml'), 'limits.max_attempts.times': 18, ...options.policy } });
  return { ...site, at: { port: site.nginx.port, service: 'php-fpm', records: () => site.gateway.audit(), log: () => site.gateway.log() }, kill: () => killAll(site.fpm) };
}
