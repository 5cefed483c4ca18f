/** The shop's ways to break: real ones, of the process itself, each only after its 202 has left. */
import type { WorkerSlots } from './worker-slots.ts';

export const faultNames = ['crash', 'freeze', 'fill', 'junk', 'move'] as const;
export type FaultName = (typeof faultNames)[number];

/** Longer than a visitor likes to wait, shorter than the 5 s that a gateway holds a fetch by default: nobody is refused. */
export const fillMs = 4000;

export interface Breakable {
  readonly slots: WorkerSlots;
  /** From now on every request is answered with bytes that are no HTTP. */
  answerJunk(): void;
  /** Closes the port and listens on the other of the two. */
  move(): void;
}

/** Breaks the shop. `crash` and `freeze` hit this very process, with the signals that really do it. */
export function breakShop(fault: FaultName, shop: Breakable): void {
  switch (fault) {
    case 'crash':
      process.kill(process.pid, 'SIGKILL');
      return;
    case 'freeze':
      process.kill(process.pid, 'SIGSTOP');
      return;
    case 'fill':
      shop.slots.fill(fillMs);
      return;
    case 'junk':
      shop.answerJunk();
      return;
    case 'move':
      shop.move();
      return;
  }
}

/** The fault that a path names: `/fault/crash`. */
export function faultOf(path: string): FaultName | undefined {
  return faultNames.find((name) => path === `/fault/${name}`);
}
