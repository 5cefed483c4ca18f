/** The plan in words: what was found, what would be written, what is left alone. Lines without colour. */
import { formatAddress } from '../core/failure.ts';
import type { Backend } from './backend.ts';
import type { FoundNginx, Machine } from './machine.ts';
import type { PlannedFile } from './place-files.ts';
import type { InitPlan } from './plan-init.ts';
import { unifiedDiff } from './unified-diff.ts';

/** Rows of two: what, and what is known of it. */
export function foundRows(machine: Machine): readonly (readonly [string, string])[] {
  const { nginx, pools, apache, panels, systemd } = machine;
  return [
    ['nginx', nginx ? nginxWords(nginx) : 'none'],
    ...pools.map(({ pool, version, unit }): readonly [string, string] => [
      `php-fpm ${version ?? ''}`.trim(),
      `pool ${pool.name} at ${formatAddress(pool.listen)}${unit === undefined ? '' : `, ${unit}`}`,
    ]),
    ...(pools.length === 0 ? [['php-fpm', 'none'] as const] : []),
    ['Apache', apache ? `${apache.unit}${apache.ports.length > 0 ? `, port ${apache.ports.join(', ')}` : ''}` : 'none'],
    ...(panels.length > 0 ? [['panel', panels.map(({ name }) => name).join(', ')] as const] : []),
    ['systemd', systemd ? 'runs' : 'does not run here: services are started by commands'],
  ];
}

/** Of TCP, those whose process is known: one row each, at most twenty. */
export function listeningRows({ listening }: Machine): readonly (readonly [string, string])[] {
  const rows = listening.flatMap(({ address, process }): readonly (readonly [string, string])[] => (address.kind === 'tcp' && process ? [[formatAddress(address), process.unit ?? process.comm]] : []));
  return rows.slice(0, 20);
}

export function gatewayRow({ name, service, protocol, address }: Backend, { policies }: InitPlan): readonly string[] {
  const policy = policies.find((one) => one.name === service);
  const mode = policy?.acts ? 'starts it when it crashed, asks before anything else' : 'observes';
  return [name, protocol, formatAddress(address), `policy ${policy?.name} ${mode} (${policy?.service})`];
}

/** `new`, `same` and so on, with the file; a difference that stays is shown behind it. */
export function fileLines(files: readonly PlannedFile[]): readonly string[] {
  const words = { new: 'new     ', same: 'as it is', left: 'LEFT    ', replaced: 'replaced' } as const;
  return files.flatMap(({ file, fate, text, there }) => [
    `  ${words[fate]}  ${file}${fate === 'left' ? ': it is not what init would write; yours stays. --force writes this, and keeps yours beside it:' : fate === 'replaced' ? ': yours is kept beside it' : ''}`,
    ...(fate === 'left' || fate === 'replaced' ? unifiedDiff(file, there, text).trimEnd().split('\n') : []),
  ]);
}

/** The change of nginx as `patch` takes it. */
export function nginxDiff({ nginx }: InitPlan): string {
  return (nginx?.changes ?? []).map(({ file, before, after }) => unifiedDiff(file, before, after)).join('');
}

function nginxWords({ file, group, workerConnections, workers, test, master }: FoundNginx): string {
  const tested = { passes: () => 'nginx -t passes', fails: () => 'nginx -t FAILS', untried: (why: string) => `not tested: ${why}` }[test.kind](test.kind === 'untried' ? test.why : '');
  return [file, `${workers} x ${workerConnections} connections`, ...(group === undefined ? [] : [`group ${group}`]), master === undefined ? 'is not running' : 'runs', tested].join(', ');
}
