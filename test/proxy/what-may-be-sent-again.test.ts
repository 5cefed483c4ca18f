import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import t from 'tap';
import type { UpstreamFailure } from '../../src/core/failure.ts';
import { byteBudget, KeptBody } from '../../src/proxy/kept-body.ts';
import { mayAskAgain, mayBeExecutedTwice, mayResend, type ReplayRules, type ResendQuestion } from '../../src/proxy/may-resend.ts';

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
const rules: ReplayRules = { idempotency_key: false, paths: [], statuses: [], after_timeout: false };

interface Case extends Partial<Omit<ResendQuestion, 'repetition'>> {
  readonly method?: string;
  readonly target?: string;
  readonly hasIdempotencyKey?: boolean;
  readonly rules?: Partial<ReplayRules>;
}
const question = ({ method = 'GET', target = '/', hasIdempotencyKey = false, rules: own, ...over }: Case): ResendQuestion => ({
  repetition: mayBeExecutedTwice({ method, target, hasIdempotencyKey: () => hasIdempotencyKey, rules: { ...rules, ...own } }),
  failure: failure({}),
  replays: 0,
  raced: false,
  bodyComplete: true,
  tooLate: false,
  afterTimeout: false,
  ...over,
});

const stale = failure({ staleConnection: true });
const timeout = failure({ kind: 'http_response_timeout', resend: 'never' });
const rows: readonly [name: string, question: Case, sentAgain: 'unsent' | 'race' | 'replay' | 'never'][] = [
  ['an unsent POST', { method: 'POST', failure: failure({ phase: 'connect', kind: 'connection_refused', resend: 'always', bytesWritten: 0 }) }, 'unsent'],
  ['a POST that the backend says it did not take', { method: 'POST', failure: failure({ resend: 'always' }) }, 'unsent'],
  ['a GET that was sent', {}, 'replay'],
  ['a PUT that was sent, its body kept', { method: 'PUT' }, 'replay'],
  ['a PUT that was sent, its body not kept', { method: 'PUT', bodyComplete: false }, 'never'],
  ['a POST that was sent', { method: 'POST' }, 'never'],
  ['a PATCH that was sent', { method: 'PATCH' }, 'never'],
  ['an unknown method that was sent', { method: 'FROB' }, 'never'],
  ['a POST with Idempotency-Key that nobody trusts', { method: 'POST', hasIdempotencyKey: true }, 'never'],
  ['a POST with Idempotency-Key that the configuration trusts', { method: 'POST', hasIdempotencyKey: true, rules: { idempotency_key: true } }, 'replay'],
  ['a POST without a key where keys are trusted', { method: 'POST', rules: { idempotency_key: true } }, 'never'],
  ['a POST to a path that the configuration lists', { method: 'POST', target: '/api/search?q=x', rules: { paths: ['/api/search'] } }, 'replay'],
  ['a POST to another path', { method: 'POST', target: '/api/order', rules: { paths: ['/api/search'] } }, 'never'],
  ['a POST to a listed path with a parameter that is never repeated', { method: 'POST', target: '/api/search?nonce=1', rules: { paths: ['/api/search'] } }, 'never'],
  ['a replay', { replays: 1 }, 'never'],
  ['a GET that timed out', { failure: timeout }, 'never'],
  ['a GET that timed out where the configuration says so', { failure: timeout, afterTimeout: true }, 'replay'],
  ['a POST that timed out where the configuration says so', { method: 'POST', failure: timeout, afterTimeout: true }, 'never'],
  ['a GET whose kept connection ended as it was used', { failure: stale }, 'race'],
  ['the same, for the second time', { failure: stale, raced: true }, 'replay'],
  ['a GET whose client broke off', { failure: failure({ source: 'downstream' }) }, 'never'],
  ['a GET of wp-cron.php', { target: '/wp-cron.php?doing_wp_cron=1' }, 'never'],
  ['a GET that adds to a cart', { target: '/shop?add-to-cart=7' }, 'never'],
  ['the same when it was not sent', { target: '/shop?add-to-cart=7', failure: failure({ resend: 'always' }) }, 'unsent'],
  ['a GET that was excluded by the configuration', { target: '/pay/now', rules: { never_paths: ['/pay'] } }, 'never'],
  ['an unsent request after its hold time', { tooLate: true, failure: failure({ resend: 'always' }) }, 'never'],
  ['a race under a GET that may not wait', { tooLate: true, failure: stale }, 'race'],
  ['the same, for the second time, under a GET that may not wait', { tooLate: true, failure: stale, raced: true }, 'never'],
  ['a race under a POST that may not wait', { method: 'POST', tooLate: true, failure: stale }, 'never'],
  ['an unsent request that may not use the socket', { failure: failure({ phase: 'connect', kind: 'proxy_configuration_error', resend: 'always' }) }, 'never'],
];

for (const [name, asked, expected] of rows) {
  t.test(`${name}: ${expected}`, async (t) => {
    const answer = mayResend(question(asked));
    t.equal(answer.resend ? answer.as : 'never', expected);
    t.ok(answer.why.length > 5, 'and says why');
  });
}

t.test('an answer whose status is listed is asked for once more, where that is safe and in time', async (t) => {
  const asked = (over: Case): boolean => mayAskAgain(question(over), 2000).resend;
  t.ok(asked({}));
  t.notOk(asked({ method: 'POST' }));
  t.notOk(asked({ replays: 1 }));
  t.notOk(asked({ tooLate: true }));
  t.notOk(asked({ bodyComplete: false }));
});

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

t.test('of a body that is longer than what may be kept not a byte is kept', async (t) => {
  const budget = byteBudget(1000);
  const of = (length: number | undefined): KeptBody => new KeptBody({ length, open: () => Readable.from([Buffer.alloc(60), Buffer.alloc(60)], { objectMode: false }) }, budget, 100);
  const announced = of(120);
  announced.open().resume();
  const unknown = of(undefined);
  await buffer(unknown.open());
  t.notOk(announced.canOpenAgain);
  t.notOk(unknown.canOpenAgain);
  t.ok(budget.take(1000), 'and all that was kept on the way is given back');
});
