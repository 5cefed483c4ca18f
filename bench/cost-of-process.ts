import { readFileSync } from 'node:fs';
import { start } from '../test/support/program.ts';

/** Runs a program to its end: seconds, and its peak of resident memory in MiB, as table cells. Throws when it failed; 1 is how ours say that they found something. */
export async function costOf(argv: readonly string[]): Promise<readonly [seconds: string, peakMiB: string]> {
  const begunMs = performance.now();
  const running = start(argv);
  let peak = 0;
  // the kernel's own high-water mark: what is read last counts
  const sample = setInterval(() => (peak = Math.max(peak, peakMiB(running.pid))), 5);
  const { code, output } = await running.ended;
  clearInterval(sample);
  if (code !== 0 && code !== 1) throw new Error(`${argv.join(' ')} ended with ${code}:\n${output.slice(-2000)}`);
  return [((performance.now() - begunMs) / 1000).toFixed(2), peak.toFixed(0)];
}

function peakMiB(pid: number): number {
  try {
    return Number(/^VmHWM:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) / 1024;
  } catch {
    // best effort: it has just ended
    return 0;
  }
}
