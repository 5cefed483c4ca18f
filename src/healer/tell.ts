import type { Healer, Ward } from './healer.ts';

/** Tells people. In this version that is the process log, at the level that log shippers page on. */
export async function tell(text: string, { ward, healer }: { ward: Ward; healer: Healer }, to: readonly string[] = ward.policy.notify.to): Promise<void> {
  healer.log.error({ service: ward.name, to }, text);
}
