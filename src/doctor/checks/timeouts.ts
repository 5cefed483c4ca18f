/** Timeouts that do not nest: who waits must wait longer than who is waited for. nginx > goodgateway > php-fpm > PHP. */
import { formatDuration } from '../../core/time.ts';
import type { Check, CheckResult, DoctorContext } from '../check.ts';
import { inForce, nameOf, nginxTimeMs, placeOf, type Pass } from '../nginx/passes.ts';
import { fpmSeconds } from '../../healer/probes/read-fpm-pool.ts';
import { placeIn, type Pool } from '../pools.ts';
import { directPasses, gatewayPasses, poolAt } from '../who-passes.ts';

/** nginx's own default for both protocols. */
const nginxDefaultMs = 60_000;
/** What nginx must wait beyond hold and response: the way there and back, and the page. */
const marginMs = 5000;

type Found = CheckResult['findings'];

/** Needs no rights but to read the configurations. */
export const timeouts: Check = {
  name: 'timeouts',
  family: 'configuration',
  deadlineMs: 15_000,
  finds: {
    'nginx-read-timeout': { severity: 'serious', when: 'nginx gives up on a request before goodgateway may: its read timeout is below `hold.for` + `timeouts.response` + 5 s' },
    'nginx-read-timeout-backend': { severity: 'warning', when: 'nginx, without a gateway between, gives up before php-fpm ends the script: visitors get 504 while it goes on' },
    'gateway-response-timeout': { severity: 'warning', when: "a gateway's `timeouts.response` ends before php-fpm's `request_terminate_timeout`" },
    'php-execution-time': { severity: 'warning', when: "PHP's `max_execution_time` is not below `request_terminate_timeout`: php-fpm kills the worker before PHP can say what was slow" },
  },
  check: async (context) => ({ findings: [...nginxBelowGateway(context), ...context.pools.flatMap((pool) => [...nginxBelowPool(context, pool), ...phpAboveFpm(pool)]), ...gatewayBelowFpm(context)] }),
};

function nginxBelowGateway(context: DoctorContext): Found {
  return gatewayPasses(context).flatMap(({ name, gateway, pass }) => {
    const needMs = gateway.hold.for + gateway.timeouts.response + marginMs;
    const patience = patienceOf(pass);
    if (patience.ms >= needMs) return [];
    // in standby a short patience of nginx is wanted: a hang is noticed so late
    const shorter = patience.ms - gateway.hold.for - marginMs;
    return [
      {
        id: 'nginx-read-timeout',
        subject: nameOf(pass.scope),
        what: `nginx waits ${formatDuration(patience.ms)} for the gateway ${name}, which may take ${formatDuration(needMs - marginMs)}: ${formatDuration(gateway.hold.for)} of holding and ${formatDuration(gateway.timeouts.response)} for the answer.`,
        why: 'nginx gives up on requests that wait for a repair, and shows its own error instead of our page; it may also ask the backup server for the same page again.',
        change: shorter > 0 && gateway.standby ? `gateways.${name}.timeouts.response: ${Math.floor(shorter / 1000)}s` : `${patience.place}: ${patience.directive} ${Math.ceil(needMs / 1000)}s;`,
        source: placeOf(pass.line),
      },
    ];
  });
}

function nginxBelowPool(context: DoctorContext, pool: Pool): Found {
  const written = pool.setting('request_terminate_timeout');
  const most = fpmSeconds(written?.value) || pool.executionSeconds.value;
  return directPasses(context, pool).flatMap((pass) => {
    const patience = patienceOf(pass);
    if (most === 0 || patience.ms >= most * 1000) return [];
    return [
      {
        id: 'nginx-read-timeout-backend',
        subject: nameOf(pass.scope),
        what: `nginx waits ${formatDuration(patience.ms)}, but a script of the pool ${pool.name} may run ${formatDuration(most * 1000)}.`,
        why: 'Visitors get "504 Gateway Time-out" and ask again, while the first script still runs and keeps its worker.',
        change: `${patience.place}: ${patience.directive} ${most + 5}s;`,
        source: fpmSeconds(written?.value) ? placeIn(pool, written) : pool.executionSeconds.place,
      },
    ];
  });
}

function gatewayBelowFpm(context: DoctorContext): Found {
  return Object.entries(context.configuration?.host.gateways ?? {}).flatMap(([name, gateway]) => {
    const pool = poolAt(context, gateway.upstream);
    const written = pool?.setting('request_terminate_timeout');
    const seconds = fpmSeconds(written?.value) ?? 0;
    if (!pool || seconds * 1000 <= gateway.timeouts.response) return [];
    return [
      {
        id: 'gateway-response-timeout',
        subject: `gateway ${name}`,
        what: `It gives up after ${formatDuration(gateway.timeouts.response)}; php-fpm ends a script of the pool ${pool.name} only after ${formatDuration(seconds * 1000)}.`,
        why: 'Whoever waited gets our page while the script goes on and keeps its worker; those who ask again take further workers.',
        change: `gateways.${name}.timeouts.response: ${seconds}s (then nginx's read timeout: ${seconds + Math.ceil((gateway.hold.for + marginMs) / 1000)}s)`,
        source: placeIn(pool, written),
      },
    ];
  });
}

function phpAboveFpm(pool: Pool): Found {
  const written = pool.setting('request_terminate_timeout');
  const seconds = fpmSeconds(written?.value) ?? 0;
  const { value, place } = pool.executionSeconds;
  if (seconds === 0 || (value > 0 && value < seconds)) return [];
  return [
    {
      id: 'php-execution-time',
      subject: `pool ${pool.name} (${pool.main})`,
      what: `php-fpm kills a worker after ${seconds} s; PHP itself would end the script after ${value === 0 ? 'no time at all: it has no limit' : `${value} s of its own work`}.`,
      why: 'The visitor gets "502 Bad Gateway" instead of an error of the application, and no log says which line was slow.',
      change: `${pool.file}: php_admin_value[max_execution_time] = ${Math.max(1, seconds - 5)}`,
      source: place,
    },
  ];
}

/** How long nginx waits between two reads, and where that is written, or would be. */
function patienceOf({ protocol, scope, line }: Pass): { readonly ms: number; readonly directive: string; readonly place: string } {
  const directive = protocol === 'fastcgi' ? 'fastcgi_read_timeout' : 'proxy_read_timeout';
  const written = inForce(scope, directive)[0];
  return { ms: nginxTimeMs(written?.words.join(' ')) ?? nginxDefaultMs, directive, place: written ? placeOf(written) : `${placeOf(line)}, beside it` };
}
