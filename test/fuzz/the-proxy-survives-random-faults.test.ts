import t from 'tap';
import { tempFolder } from '../support/temp-folder.ts';
import { belongsTo, contentOf } from './content.ts';
import { formatFuzzReport } from './format-fuzz-report.ts';
import { Judge } from './judge.ts';
import { nothingSeen, type Observed } from './observed.ts';
import type { SessionPlan } from './plan.ts';
import { runFuzz } from './run-fuzz.ts';

t.test('2,000 random faults on both sides over HTTP and FastCGI, TCP and unix sockets', async (t) => {
  const report = await runFuzz({ seed: 20_261_126, faults: 2000, warmUp: 800, seconds: 15, folder: tempFolder(t, 'gg-fuzz') });
  t.same(report.violations, [], formatFuzzReport(report).split('\n')[1]!);
  t.ok((report.verdicts.get('whole answer') ?? 0) > 50, 'the backend was heard');
  t.ok((report.verdicts.get('visible cut') ?? 0) > 20, 'and cut off');
  t.ok((report.verdicts.get('our page') ?? 0) > 20, 'and replaced');
});

const plan: SessionPlan = {
  session: 2,
  gateway: 'fastcgi_tcp',
  requests: [{ id: 8, method: 'POST', bodyBytes: 0, chunked: false }],
  pipelined: false,
  http10: false,
  act: 'normal',
  share: 0,
  by: 'close',
  piece: 0,
  pauseMs: 0,
  salt: 0,
};
const fields = (list: Readonly<Record<string, string>>): ReadonlyMap<string, string> => new Map(Object.entries(list));
const whole: Observed = { status: 200, fields: fields({ 'x-fuzz-id': '8', 'x-fuzz-length': '40' }), body: contentOf(8, 40), whole: 'yes', began: true, end: 'open' };
const page: Observed = { ...whole, status: 503, fields: fields({ 'proxy-status': 'goodgateway; error=connection_refused' }), body: Buffer.from('{"may_have_been_processed":false}') };

function complaints(answer: Observed, begun = 1, of: SessionPlan = plan): readonly string[] {
  const judge = new Judge();
  judge.expect(of);
  for (let times = 0; times < begun; times++) judge.hear(['begun', 8, false]);
  judge.see(of, [answer]);
  judge.conclude();
  return judge.violations;
}

t.test('a judge who sees nothing is no judge: what must not be is found', async (t) => {
  t.same(complaints(whole), []);
  t.same(complaints({ ...whole, body: contentOf(8, 20), whole: 'no', end: 'reset' }), [], 'a cut that can be seen');
  t.same(complaints(page, 0), [], 'an honest page');

  t.match(complaints(whole, 2), [/executed 2 times/], 'a POST that was executed twice');
  t.match(complaints(page, 1), [/denied/], 'a page that denies what was executed');
  t.match(complaints({ ...page, status: 200 }, 0), [/status 200/], 'a page that looks well');
  t.match(complaints({ ...page, whole: 'no', end: 'fin' }, 0), [/our own page was cut/]);
  t.match(complaints({ ...whole, body: contentOf(8, 20) }), [/20 of 40 bytes/], 'a cut answer that looks whole');
  t.match(complaints({ ...whole, body: contentOf(8, 20), whole: 'no', end: 'fin' }), [/clean end/], 'a FastCGI answer that just ends');
  t.match(complaints({ ...whole, fields: fields({ 'x-fuzz-id': '12' }) }), [/belongs to request 12/], "another request's answer");
  t.match(complaints({ ...whole, body: contentOf(12, 40) }), [/not what belongs/], "another request's content");
  t.match(complaints(nothingSeen('reset'), 0), [/the backend had given none/], 'no answer at all');
  t.match(complaints(nothingSeen('time_out')), [/no answer for ten seconds/]);
  t.match(complaints({ ...whole, fields: fields({}) }), [/an answer of nobody/]);
  t.notOk(belongsTo(8, Buffer.from('8.8.9')), 'every byte counts');
});
