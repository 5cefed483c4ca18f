import { readFileSync } from 'node:fs';
import { start } from '../test/support/program.ts';
import { cpuUs } from './numbers.ts';

/** Runs a program to its end: seconds, its peak of resident memory in MiB, and seconds of processor time (seen every 5 ms), as table cells. Throws when it failed; 1 is how ours say that they found something. */
export async function costOf(argv: readonly string[]): Promise<readonly [seconds: string, peakMiB: string, cpuSeconds: string]> {
  const begunMs = performance.now();
  const running = start(argv);
  let peak = 0;
  // the kernel's own high-water mark: what is read last counts
  let usedUs = 0;
  const sample = setInterval(() => {
    peak = Math.max(peak, peakMiB(running.pid));
    usedUs = Math.max(usedUs, usedSoFarUs(running.pid));
  }, 5);
  const { code, output } = await running.ended;
  clearInterval(sample);
  if (code !== 0 && code !== 1) throw new Error(`${argv.join(' ')} ended with ${code}:\n${output.slice(-2000)}`);
  return [((performance.now() - begunMs) / 1000).toFixed(2), peak.toFixed(0), (usedUs / 1_000_000).toFixed(2)];
}

function usedSoFarUs(pid: number): number {
  try {
    return cpuUs(pid);
  } catch {
    // best effort: it has just ended
    return 0;
  }
}

function peakMiB(pid: number): number {
  try {
    return Number(/^VmHWM:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) / 1024;
  } catch {
    // best effort: it has just ended
    return 0;
  }
}
