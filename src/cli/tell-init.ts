/** What `goodgateway init` prints, and its JSON. */
import { formatAddress } from '../core/failure.ts';
import type { ChangeOutcome } from '../init/change-nginx.ts';
import type { Machine } from '../init/machine.ts';
import type { InitPlan } from '../init/plan-init.ts';
import { fileLines, foundRows, gatewayRow, listeningRows, nginxDiff } from '../init/tell-plan.ts';
import type { Scene } from './init-scene.ts';
import { defaultConfig } from './service-units.ts';
import { table, wrap } from './terminal.ts';

/** Everything before the first question. */
export function tellInit(machine: Machine, plan: InitPlan, advice: readonly string[]): readonly string[] {
  const diff = nginxDiff(plan);
  return [
    'Found',
    ...indented(table(foundRows(machine))),
    ...section('Listening', indented(table(listeningRows(machine)))),
    ...section(
      'Could not see',
      machine.unseen.map(({ subject, why }) => `  ${subject}: ${why}`),
    ),
    ...section('Gateways', indented(table(plan.backends.map((backend) => gatewayRow(backend, plan))))),
    ...section(
      'Places of nginx that are left alone',
      plan.leftAlone.flatMap(({ place, what, why, instead }) => wrap(`${place}: ${what}: ${why}; ${instead}`, { width: 110, indent: '  ', hang: '    ' })),
    ),
    ...section(
      'To do, or to know',
      advice.flatMap((text) => text.split('\n').flatMap((line, index) => wrap(line, { width: 110, indent: index === 0 ? '  - ' : '    ', hang: '    ' }))),
    ),
    ...section('Files', fileLines(plan.checked.files)),
    ...section(
      'Warnings',
      plan.checked.warnings.map((line) => `  ${line}`),
    ),
    ...(diff === ''
      ? plan.nginx && plan.backends.some(({ passedAlready }) => passedAlready.length > 0)
        ? ['', 'nginx leads through goodgateway already.']
        : []
      : ['', 'The change of nginx', ...diff.trimEnd().split('\n')]),
  ];
}

export function tellNginxOutcome(outcome: ChangeOutcome): readonly string[] {
  switch (outcome.kind) {
    case 'changed':
      return [
        '',
        outcome.reloaded
          ? `nginx: changed, tested, reloaded; ${outcome.asked === 0 ? 'no site could be compared with before' : `its sites answer as before (${outcome.asked} ${outcome.asked === 1 ? 'request' : 'requests'})`}.`
          : 'nginx: changed and tested. It is not running, so nothing was reloaded and no site was asked.',
        ...tellUnjudged(outcome.unjudged),
      ];
    case 'reverted':
      return ['', 'nginx is as it was:', ...outcome.why.map((line) => `  ${line}`)];
    case 'stuck':
      return ['', 'LOOK AT NGINX NOW: not even the way back worked. The backups are in nginx-before, beside goodgateway.yaml.', ...outcome.why.map((line) => `  ${line}`)];
  }
}

/** What nobody has looked at must not pass for well. */
export function tellUnjudged(unjudged: readonly string[]): readonly string[] {
  return unjudged.length === 0 ? [] : ['These failed before, or did not answer in time, so nothing is known of them:', ...unjudged.map((line) => `  ${line}`)];
}

/** The commands that come next, in their order. */
export function tellNext({ options, config, machine }: Scene, plan: InitPlan, outcome: ChangeOutcome | undefined): readonly string[] {
  const { files } = plan.checked;
  const nothing = files.every(({ fate }) => fate === 'same') && plan.nginx?.changes.length === 0;
  if (nothing) return ['', 'Everything is as init would make it: nothing was changed.'];
  const named = config === defaultConfig ? '' : ` --config ${config}`;
  const isPending = outcome?.kind !== 'changed' && (plan.nginx?.changes.length ?? 0) > 0;
  const [first] = plan.backends;
  const rows: readonly (readonly [string, string])[] = [
    ...(options.dryRun ? [[`goodgateway init --yes${named}`, 'write the files; this was a trial'] as const] : []),
    [`goodgateway check${named}`, 'after each change of yours'],
    machine.systemd
      ? [`goodgateway units --write${named} && systemctl daemon-reload && systemctl enable --now goodgateway.target`, 'start it, now and at each boot']
      : [`goodgateway run${named}`, 'start it'],
    ...(first
      ? [
          [
            `goodgateway probe ${first.name}${named}${machine.nginx?.file === '/etc/nginx/nginx.conf' ? '' : ` --nginx ${machine.nginx?.file}`}`,
            'a request through the gateway, before nginx changes',
          ] as const,
        ]
      : []),
    ...(isPending ? [[`goodgateway init --yes --apply${named}`, `make the change of nginx; by hand: edit, then nginx -t -c ${machine.nginx?.file} && nginx -s reload`] as const] : []),
    [`goodgateway uninstall${named}`, 'take everything out again'],
  ];
  return ['', 'Next', ...indented(table(rows))];
}

export interface InitResult {
  readonly advice: readonly string[];
  readonly written: boolean;
  readonly outcome: ChangeOutcome | undefined;
}

/** For programs: facts and results, each under its own key. */
export function initJson({ config, machine }: Scene, plan: InitPlan, { advice, written, outcome }: InitResult): unknown {
  const { nginx, pools, apache, panels, systemd, unseen, isRoot } = machine;
  return {
    found: {
      root: isRoot,
      systemd,
      nginx: nginx && {
        file: nginx.file,
        program: nginx.program,
        running: nginx.master !== undefined,
        user: nginx.user,
        group: nginx.group,
        workers: nginx.workers,
        worker_connections: nginx.workerConnections,
        test: nginx.test,
      },
      php_fpm: pools.map(({ pool, version, unit, program }) => ({ pool: pool.name, version, listen: formatAddress(pool.listen), file: pool.file, unit, program })),
      apache: apache && { unit: apache.unit, ports: apache.ports, knows_visitors: apache.remoteIp },
      panels: panels.map(({ name }) => name),
      listening: listeningRows(machine).map(([address, by]) => ({ address, by })),
    },
    unseen,
    gateways: plan.backends.map(({ name, protocol, address, passes, passedAlready }) => ({
      name,
      protocol,
      upstream: formatAddress(address),
      places: passes.length,
      places_already: passedAlready.length,
    })),
    policies: plan.policies.map(({ name, from, service, acts, external }) => ({ name, from, service, acts, ...(external === undefined ? {} : { external }) })),
    left_alone: plan.leftAlone,
    advice,
    config,
    files: plan.checked.files.map(({ file, fate }) => ({ file, fate })),
    problems: plan.checked.problems,
    warnings: plan.checked.warnings,
    nginx_diff: nginxDiff(plan),
    written,
    ...(outcome === undefined ? {} : { nginx_change: outcome }),
  };
}

function section(title: string, lines: readonly string[]): readonly string[] {
  return lines.length === 0 ? [] : ['', title, ...lines];
}

function indented(lines: readonly string[]): readonly string[] {
  return lines.map((line) => `  ${line}`);
}
