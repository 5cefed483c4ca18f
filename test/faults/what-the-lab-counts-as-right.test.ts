/** The judge of the fault lab: what makes a row right, wrong or harmful, and the whole lab fail. */
import t from 'tap';
import { judge } from './expectations.ts';
import { faultsOf, type ExpectedFault } from './expected.ts';
import { rowOf, type Row } from './judge.ts';
import type { Played } from './play.ts';

const crashed: ExpectedFault = { stack: 'php', fault: 'killed', causes: ['service.crashed'], onTheWay: ['service.starting'], does: ['start'], healedBy: 'goodgateway' };
const moved: ExpectedFault = { stack: 'php', fault: 'moved', causes: ['net.port_moved'], does: [], healedBy: 'person' };
const at = (ms: number): string => new Date(ms).toISOString();
const opened = { event: 'incident.opened', service: 'php-fpm', ts: at(1500) };
const named = (cause: string, confidence: string, ms = 2000) => ({ event: 'diagnosis.made', service: 'php-fpm', cause, confidence, ts: at(ms) });
const did = (action: string) => ({ event: 'action.intent', service: 'php-fpm', action, ts: at(3000) });

function rowFor(expected: ExpectedFault, records: Played['records'], more: Partial<Played> = {}): Row {
  const played: Played = { records, service: 'php-fpm', injectedAtMs: 1000, takenAwayAtMs: undefined, healedAtMs: 4000, visitors: [], isClosed: true, ...more };
  return rowOf('php-killed', 'service', { expected, played });
}

const right = rowFor(crashed, [opened, named('service.starting', 'certain'), named('service.crashed', 'certain'), did('start'), did('page')]);

t.test('a fault that was named, healed and not made worse is right', (t) => {
  t.match(right, { verdict: 'right', detectedInMs: 500, healedInMs: 3000, done: ['start'], harmful: [], problems: [] });
  t.end();
});

t.test('what the lab does not count as right', (t) => {
  const rows: readonly (readonly [name: string, row: Row, verdict: Row['verdict'], problem: RegExp | undefined])[] = [
    ['another cause, likely', rowFor(crashed, [opened, named('service.crashed', 'certain'), named('service.hung', 'likely')]), 'wrong', /instead of service\.crashed/],
    ['another cause, only possible', rowFor(crashed, [opened, named('service.hung', 'possible')]), 'unknown', undefined],
    ['nothing was named', rowFor(crashed, [opened, named('unknown', 'possible')]), 'unknown', undefined],
    ['another service was diagnosed', rowFor(crashed, [opened, { ...named('service.crashed', 'certain'), service: 'mariadb' }]), 'unknown', undefined],
    ['named after a person took it away', rowFor(moved, [opened, named('net.port_moved', 'certain', 9000)], { takenAwayAtMs: 8000 }), 'unknown', undefined],
    ['no incident', rowFor(crashed, [named('service.crashed', 'certain')]), 'right', /no incident/],
    ['visitors were not served again', rowFor(crashed, [opened, named('service.crashed', 'certain')], { healedAtMs: undefined }), 'right', /not served again/],
    ['its incident stays open', rowFor(crashed, [opened, named('service.crashed', 'certain')], { isClosed: false }), 'right', /not over/],
    ['a restart that is forbidden for the cause', rowFor(moved, [opened, named('net.port_moved', 'certain'), did('restart')]), 'right', /runs well, only elsewhere/],
    ['a disturbance that nothing asks for', rowFor(crashed, [opened, named('service.crashed', 'certain'), did('reload')]), 'right', /without need/],
  ];
  for (const [name, row, verdict, problem] of rows) {
    t.equal(row.verdict, verdict, name);
    if (problem) t.match(row.problems.join(), problem, name);
    else t.same(row.problems, [], name);
  }
  t.end();
});

t.test('the lab fails below 95 % of right causes, and by any single problem', (t) => {
  const unknown: Row = { ...right, verdict: 'unknown' };
  t.same(judge(Array.from({ length: 20 }, (_, index) => (index === 0 ? unknown : right))).broken, []);
  t.match(judge([unknown, right]).broken, [/50 %/]);
  t.match(judge([...Array.from({ length: 30 }, () => right), { ...right, problems: ['no incident was opened'] }]).broken, [/no incident was opened/]);
  t.end();
});

t.test('the list has enough faults of each family, and asks for nothing that is forbidden for their cause', (t) => {
  const all = Object.values(faultsOf).flatMap((family) => Object.values<ExpectedFault>(family));
  t.ok(all.length >= 45, `${all.length} faults`);
  for (const expected of all) t.same(rowFor(expected, [opened, named(expected.causes[0], 'certain'), ...expected.does.map(did)]).harmful, [], expected.fault);
  t.end();
});
