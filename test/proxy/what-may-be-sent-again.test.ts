import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import t from 'tap';
import type { UpstreamFailure } from '../../src/core/failure.ts';
import { byteBudget, KeptBody } from '../../src/proxy/kept-body.ts';
import { mayResend, type ResendQuestion } from '../../src/proxy/may-resend.ts';

const failure = (over: Partial<UpstreamFailure>): UpstreamFailure => ({
  kind: 'connection_terminated',
  source: 'upstream',
  phase: 'await_head',
  bytesWritten: 100,
  bytesRead: 0,
  resend: 'if_idempotent',
  detail: '',
  ...over,
});
const question = (over: Partial<ResendQuestion>): ResendQuestion => ({
  method: 'GET',
  target: '/',
  hasIdempotencyKey: false,
  failure: failure({}),
  replays: 0,
  bodyComplete: true,
  tooLate: false,
  rules: { idempotency_key: false },
  ...over,
});

const rows: readonly [name: string, question: ResendQuestion, answer: { resend: boolean; replay?: boolean }][] = [
  ['an unsent POST', question({ method: 'POST', failure: failure({ phase: 'connect', kind: 'connection_refused', resend: 'always', bytesWritten: 0 }) }), { resend: true, replay: false }],
  ['a POST that the backend says it did not take', question({ method: 'POST', failure: failure({ resend: 'always' }) }), { resend: true, replay: false }],
  ['a GET that was sent', question({}), { resend: true, replay: true }],
  ['a PUT that was sent, its body kept', question({ method: 'PUT' }), { resend: true, replay: true }],
  ['a PUT that was sent, its body not kept', question({ method: 'PUT', bodyComplete: false }), { resend: false }],
  ['a POST that was sent', question({ method: 'POST' }), { resend: false }],
  ['a PATCH that was sent', question({ method: 'PATCH' }), { resend: false }],
  ['an unknown method that was sent', question({ method: 'FROB' }), { resend: false }],
  ['a POST with Idempotency-Key that nobody trusts', question({ method: 'POST', hasIdempotencyKey: true }), { resend: false }],
  ['a POST with Idempotency-Key that the configuration trusts', question({ method: 'POST', hasIdempotencyKey: true, rules: { idempotency_key: true } }), { resend: true, replay: true }],
  ['a replay', question({ replays: 1 }), { resend: false }],
  ['a GET that timed out', question({ failure: failure({ kind: 'http_response_timeout', resend: 'never' }) }), { resend: false }],
  ['a GET whose client broke off', question({ failure: failure({ source: 'downstream' }) }), { resend: false }],
  ['a GET of wp-cron.php', question({ target: '/wp-cron.php?doing_wp_cron=1' }), { resend: false }],
  ['a GET that adds to a cart', question({ target: '/shop?add-to-cart=7' }), { resend: false }],
  ['the same when it was not sent', question({ target: '/shop?add-to-cart=7', failure: failure({ resend: 'always' }) }), { resend: true, replay: false }],
  ['a GET that was excluded by the configuration', question({ target: '/pay/now', rules: { idempotency_key: false, never_paths: ['/pay'] } }), { resend: false }],
  ['an unsent request after its hold time', question({ tooLate: true, failure: failure({ resend: 'always' }) }), { resend: false }],
  ['an unsent request that may not use the socket', question({ failure: failure({ phase: 'connect', kind: 'proxy_configuration_error', resend: 'always' }) }), { resend: false }],
];

for (const [name, asked, expected] of rows) {
  t.test(`${name}: ${expected.resend ? (expected.replay ? 'once more' : 'as often as needed') : 'never again'}`, async (t) => {
    const answer = mayResend(asked);
    t.match(answer, expected);
    t.ok(answer.why.length > 5, 'and says why');
  });
}

t.test('a body is read only when it is opened, and a second opening begins at its first byte', async (t) => {
  let reads = 0;
  const chunks = ['one ', 'two ', 'three'];
  const source = new Readable({
    read() {
      reads += 1;
      this.push(chunks.shift() ?? null);
    },
  });
  const body = new KeptBody({ length: undefined, open: () => source }, byteBudget(1000));
  t.equal(reads, 0);
  const firstTry = body.open();
  await new Promise((resolve) => firstTry.once('readable', () => resolve(undefined)));
  t.match(String(firstTry.read()), /^one /);
  t.ok(body.canOpenAgain);
  t.equal(String(await buffer(body.open())), 'one two three');
});

t.test('a body that ended before the second opening is whole again', async (t) => {
  const body = new KeptBody({ length: 6, open: () => Readable.from([Buffer.from('abc'), Buffer.from('def')]) }, byteBudget(1000));
  t.equal(String(await buffer(body.open())), 'abcdef');
  t.equal(String(await buffer(body.open())), 'abcdef');
});

t.test('a body beyond the limit is passed whole, but not kept', async (t) => {
  const big = Buffer.alloc(300_000, 'x');
  const body = new KeptBody({ length: undefined, open: () => Readable.from([big.subarray(0, 100_000), big.subarray(100_000)]) }, byteBudget(150_000));
  t.equal((await buffer(body.open())).length, 300_000);
  t.notOk(body.canOpenAgain);
});

t.test('a client that breaks off breaks the body off', async (t) => {
  const source = new Readable({ read() {} });
  const reader = new KeptBody({ length: undefined, open: () => source }, byteBudget(1000)).open();
  reader.resume();
  const broken = new Promise<Error>((resolve) => reader.once('error', resolve));
  source.destroy(new Error('aborted'));
  t.equal((await broken).message, 'aborted');
});

t.test('all bodies of a gateway share one budget, and give back what they kept', async (t) => {
  const budget = byteBudget(1000);
  const one = new KeptBody({ length: 800, open: () => Readable.from([Buffer.alloc(800)]) }, budget);
  const two = new KeptBody({ length: 800, open: () => Readable.from([Buffer.alloc(800)]) }, budget);
  await buffer(one.open());
  await buffer(two.open());
  t.same([one.canOpenAgain, two.canOpenAgain], [true, false]);
  one.forget();
  const three = new KeptBody({ length: 800, open: () => Readable.from([Buffer.alloc(800)]) }, budget);
  await buffer(three.open());
  t.ok(three.canOpenAgain);
});

for (const target of ['/blog/wp-cron.php?doing_wp_cron', '//wp-cron.php', '/x?%61ction=buy', '/x?action[]=buy', 'http://h/wp-cron.php', '/x?a=1?action=2']) {
  t.test(`a GET of ${target} is excluded, however it is written`, async (t) => {
    t.match(mayResend(question({ target })), { resend: false });
  });
}
