/** `node test/fuzz/main.ts --faults 100000 --seed 1 --seconds 300`: attacks the proxy, prints what came of it, exits 1 when an invariant broke. */
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { formatFuzzReport } from './format-fuzz-report.ts';
import { runFuzz } from './run-fuzz.ts';

const { values } = parseArgs({
  options: {
    faults: { type: 'string', default: '100000' },
    seed: { type: 'string', default: '1' },
    seconds: { type: 'string', default: '300' },
    clients: { type: 'string', default: '64' },
    /** Only this session, again and again: for a violation that was found. */
    only: { type: 'string' },
    /** Another build: `dist/proxy/main.js`. */
    program: { type: 'string' },
    /** Leaves the folder with the proxy's log, in which then every request stands. */
    keep: { type: 'boolean', default: false },
  },
});

const folder = mkdtempSync(join(tmpdir(), 'gg-fuzz-'));
chmodSync(folder, 0o755);
const print = (line: string): void => void process.stdout.write(`${line}\n`);
print(`seed ${values.seed}: ${values.faults} faults or ${values.seconds} s, ${values.clients} clients at once`);
const report = await runFuzz({
  seed: Number(values.seed),
  faults: Number(values.faults),
  seconds: Number(values.seconds),
  clients: Number(values.clients),
  only: values.only === undefined ? undefined : Number(values.only),
  logLevel: values.keep ? 'info' : 'warn',
  program: values.program === undefined ? undefined : resolve(values.program),
  folder,
  onProgress: print,
});
print(formatFuzzReport(report));
if (values.keep) print(`kept: ${folder}`);
else rmSync(folder, { recursive: true, force: true });
process.exit(report.violations.length > 0 ? 1 : 0);
