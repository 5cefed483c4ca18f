import { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import fc from 'fast-check';
import t from 'tap';
import { chooseForm, chooseLanguage } from '../../../src/proxy/fallback/choose-form.ts';
import { estimate } from '../../../src/proxy/fallback/estimate.ts';
import { fallBack } from '../../../src/proxy/fallback/fall-back.ts';
import type { GateState } from '../../../src/proxy/gate-state.ts';
import type { GatewayRequest } from '../../../src/proxy/gateway-request.ts';
import { openJourney } from '../../../src/proxy/journey.ts';
import { until } from '../../support/until.ts';
import { gatewayInFront, navigation } from './gateway-in-front.ts';

const incident = '01J0000000000000000ABCDEF1';
const asking = (headers: Readonly<Record<string, string>>) => ({ header: (name: string) => headers[name] });
const chrome = 'text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8';

t.test('a person gets the page, a program problem+json, and what cannot show either gets nothing', async (t) => {
  const table: readonly (readonly [form: string, headers: Readonly<Record<string, string>>, who: string])[] = [
    ['html', navigation, 'a click'],
    ['html', { 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'iframe', accept: '*/*' }, 'a frame'],
    ['html', { accept: chrome }, 'a browser over plain http, which sends no Sec-Fetch'],
    ['html', { accept: 'application/json;q=0.5, TEXT/HTML' }, 'whoever likes HTML better'],
    ['html', { accept: 'text/*' }, 'a text browser'],
    ['problem_json', { accept: 'text/html;q=0.5, application/json' }, 'whoever likes JSON better'],
    ['problem_json', { accept: 'text/html;q=0, */*' }, 'whoever wants no HTML at all'],
    ['problem_json', { accept: 'application/json, text/javascript, */*; q=0.01' }, 'jQuery'],
    ['problem_json', { accept: 'application/vnd.api+json' }, 'a JSON dialect'],
    ['problem_json', { accept: '*/*' }, 'curl'],
    ['problem_json', {}, 'whoever says nothing'],
    ['problem_json', { accept: 'text/plain' }, 'whoever likes nothing that we have'],
    ['problem_json', { 'sec-fetch-mode': 'cors', 'sec-fetch-dest': 'empty', accept: '*/*' }, 'fetch()'],
    ['problem_json', { 'sec-fetch-mode': 'cors', 'sec-fetch-dest': 'empty', accept: 'text/html, */*' }, 'a script that loads a piece of HTML'],
    ['empty', { 'sec-fetch-mode': 'no-cors', 'sec-fetch-dest': 'image', accept: 'image/avif,image/webp,*/*;q=0.8' }, 'an image'],
    ['empty', { 'sec-fetch-mode': 'no-cors', 'sec-fetch-dest': 'script', accept: '*/*' }, 'a script'],
    ['empty', { 'sec-fetch-mode': 'no-cors', 'sec-fetch-dest': 'style', accept: 'text/css,*/*;q=0.1' }, 'a style'],
    ['empty', { accept: 'image/avif,image/webp,image/png,image/svg+xml,image/*;q=0.8,*/*;q=0.5' }, 'an image over plain http'],
    ['empty', { accept: 'text/css,*/*;q=0.1' }, 'a style over plain http'],
    ['empty', { 'sec-fetch-mode': 'cors', 'sec-fetch-dest': 'empty', accept: 'text/event-stream' }, 'EventSource'],
    ['empty', { accept: '*/*', 'content-type': 'application/grpc+proto' }, 'gRPC'],
  ];
  for (const [form, headers, who] of table) t.equal(chooseForm(asking(headers)), form, who);
});

t.test('the language is the best of those that there are, and English for whom none fits', async (t) => {
  const available = ['en', 'de', 'fr', 'zh', 'pt-BR'];
  const table: readonly (readonly [string | undefined, string | undefined])[] = [
    ['de-AT,de;q=0.9,en;q=0.8', 'de'],
    ['fr;q=0.4, de;q=0.6', 'de'],
    ['zh-Hans-CN', 'zh'],
    ['pt-BR', 'pt-BR'],
    ['pl, *;q=0.1', 'en'],
    ['*', 'en'],
    [undefined, 'en'],
    ['pl', undefined],
    ['de;q=0', undefined],
    ['', undefined],
  ];
  for (const [wanted, language] of table) t.equal(chooseLanguage(asking(wanted === undefined ? {} : { 'accept-language': wanted }), available), language, wanted ?? 'no header');
});

t.test('whatever stands in Accept and Accept-Language, there is one form and a language that exists', async () => {
  const piece = fc.oneof(
    fc.string(),
    fc.constantFrom('text/html', 'de', '*', '*/*', ';q=0', ';q=', ',', '"', '\\', 'q=1.5', '__proto__', 'image/', '/', '-'),
    fc.stringMatching(/^[a-z]{1,3}\/[a-z*]{1,3};q=0\.\d$/),
  );
  const header = fc.oneof(
    fc.array(piece, { maxLength: 30 }).map((pieces) => pieces.join('')),
    fc.array(piece, { maxLength: 30 }).map((pieces) => pieces.join(', ')),
    piece.map((one) => `${one},`.repeat(10_000).slice(0, 10_000)),
  );
  fc.assert(
    fc.property(header, header, (accept, language) => {
      const request = asking({ accept, 'accept-language': language });
      const chosen = chooseLanguage(request, ['en', 'de']);
      return ['html', 'problem_json', 'empty'].includes(chooseForm(request)) && [undefined, 'en', 'de'].includes(chosen);
    }),
    { numRuns: 500 },
  );
});

t.test('every answer of ours is a failure that nobody stores, that names us, and says when to come back', async (t) => {
  const { ask, gateway } = await gatewayInFront(t);
  gateway.gate.fallBack({ until: 'order', incident, say: '' });
  for (const headers of [navigation, { accept: 'application/json' }, { 'sec-fetch-mode': 'no-cors', 'sec-fetch-dest': 'image' }]) {
    const got = await ask(headers);
    t.equal(got.status, 503);
    t.match(got.headers, {
      'cache-control': 'no-store',
      'content-length': String(Buffer.byteLength(got.body)),
      'retry-after': /^[1-9]\d*$/,
      'proxy-status': 'goodgateway; error=destination_unavailable',
      'x-content-type-options': 'nosniff',
      vary: 'Accept, Accept-Language, Sec-Fetch-Mode, Sec-Fetch-Dest',
      'x-goodgateway-incident': 'BCDEF1',
    });
    for (const name of ['etag', 'last-modified', 'set-cookie']) t.equal(got.headers[name], undefined, name);
    const head = await ask(headers, 'HEAD');
    t.equal(head.body, '');
    t.same(Object.keys(head.headers), Object.keys(got.headers), 'HEAD gets the headers of GET');
    t.equal(head.headers['content-length'], got.headers['content-length']);
  }
  const image = await ask({ 'sec-fetch-mode': 'no-cors', 'sec-fetch-dest': 'image' });
  t.match([image.body, image.headers['content-length'], image.headers['content-type']], ['', '0', undefined]);
});

t.test('the page has the language of the visitor, and so has what a program shows of it', async (t) => {
  const { ask, gateway } = await gatewayInFront(t, { fallback: { contact: 'https://status.example' } });
  gateway.gate.fallBack({ until: 'order', incident, say: 'it was stopped on purpose' });
  const sentences = {
    en: 'It was stopped on purpose.',
    de: 'Die Seite wurde absichtlich abgeschaltet.',
    fr: 'Le site a été arrêté volontairement.',
    es: 'El sitio se ha detenido a propósito.',
    zh: '网站是被有意停用的。',
    ar: 'تم إيقاف الموقع عمداً.',
  };
  for (const [language, sentence] of Object.entries(sentences)) {
    const page = await ask({ ...navigation, 'accept-language': `${language};q=0.9, xx` });
    t.match(page.headers, { 'content-type': 'text/html; charset=utf-8', 'content-language': language });
    t.ok(page.body.startsWith(`<!doctype html>\n<html lang="${language}" dir="${language === 'ar' ? 'rtl' : 'ltr'}">`));
    t.ok(page.body.includes(sentence), language);
    t.notMatch(page.body, /\{\{|undefined|<script/);
    const problem = await ask({ accept: 'application/json', 'accept-language': language });
    t.match(problem.headers, { 'content-type': 'application/problem+json', 'content-language': language });
    t.match(JSON.parse(problem.body), {
      type: 'about:blank',
      title: 'Service Unavailable',
      status: 503,
      detail: new RegExp(sentence.replace('.', '\\.')),
      error: 'destination_unavailable',
      incident: 'BCDEF1',
      retry_after: 10,
      may_have_been_processed: false,
    });
  }
});

t.test('only what was asked for by GET comes back by itself, not all at once, and not before it can be read', async (t) => {
  const { ask, gateway } = await gatewayInFront(t);
  gateway.gate.hold({ until: 'order', incident, say: 'it is being repaired right now', estimateMs: 20_000 });
  const refreshes: number[] = [];
  for (const page of await Promise.all(Array.from({ length: 12 }, () => ask(navigation)))) {
    const [seconds, soonest] = [Number(page.headers['refresh']), Number(page.headers['retry-after'])];
    t.ok(soonest > 5 && soonest <= 20 && seconds >= soonest && seconds <= 1.5 * soonest, `${seconds} s, where ${soonest} s are left of the usual time`);
    t.match(page.body, `This page tries again by itself in about ${5 * Math.ceil(seconds / 5)} seconds.`);
    refreshes.push(seconds);
  }
  t.ok(new Set(refreshes).size > 1, 'with jitter');
  const posted = await ask(navigation, 'POST');
  t.equal(posted.headers['refresh'], undefined);
  t.match(posted.body, 'What you sent was not processed. Please go back and send it again in a moment.');
  t.notMatch(posted.body, /tries again/);
  t.equal((await ask({ accept: 'application/json' })).headers['refresh'], undefined);
});

t.test('a POST that the backend has got is told that it may have been processed, in every language', async (t) => {
  const { ask, startBackend } = await gatewayInFront(t);
  await startBackend((request) => request.socket.destroy());
  const page = await ask(navigation, 'POST');
  t.match(page.body, 'What you sent may already have been processed. Please check before you send it again.');
  t.notMatch(page.body, /not processed/);
  t.match((await ask({ ...navigation, 'accept-language': 'de' }, 'POST')).body, 'Was Sie gesendet haben, wurde möglicherweise schon verarbeitet.');
  t.match(JSON.parse((await ask({}, 'POST')).body), { may_have_been_processed: true, detail: /may already have been processed/ });
  t.match(JSON.parse((await ask({}, 'DELETE')).body), { may_have_been_processed: true }, 'sent twice, and nobody knows either');
});

t.test('a web or mail address becomes a link, nothing else does', async (t) => {
  const table: readonly (readonly [contact: string, html: string])[] = [
    ['https://status.example/?a=1&b', '<a href="https://status.example/?a=1&#38;b"><bdi>https://status.example/?a=1&#38;b</bdi></a>'],
    ['help@shop.example', '<a href="mailto:help@shop.example"><bdi>help@shop.example</bdi></a>'],
    ['mailto:help@shop.example', '<a href="mailto:help@shop.example"><bdi>mailto:help@shop.example</bdi></a>'],
    ['+49 30 1234', '<bdi>+49 30 1234</bdi>'],
    ['javascript:alert(1)', '<bdi>javascript:alert(1)</bdi>'],
    ['data:text/html,x@y.z', '<bdi>data:text/html,x@y.z</bdi>'],
    ['https://', '<bdi>https://</bdi>'],
    ['https://a" onclick="x', '<bdi>https://a&#34; onclick=&#34;x</bdi>'],
  ];
  for (const [contact, html] of table) {
    const { ask, gateway } = await gatewayInFront(t, { fallback: { contact } });
    gateway.gate.fallBack({ until: 'order', say: '' });
    t.ok((await ask(navigation)).body.includes(`<p class="quiet">Contact: ${html}</p>`), contact);
  }
});

t.test('Retry-After is what is left of the usual time; without past recoveries no time is named', async (t) => {
  const closed = (kind: 'holding' | 'falling_back', estimateMs?: number): GateState => ({ kind, sinceMs: 1000, until: 'connect', incident, say: '', estimateMs, failure: undefined });
  const last = { incident, say: '', tookMs: 8000, atMs: 0 };
  const at = (state: GateState, passedMs: number, lastRecovery?: typeof last) => estimate({ state, lastRecovery }, 1000 + passedMs);
  t.same(at(closed('holding', 8000), 2000), { retryMs: 6000, usual: { seconds: 8, exceeded: false } });
  t.same(at(closed('holding', 8000), 9000), { retryMs: 900, usual: { seconds: 8, exceeded: true } });
  t.equal(at(closed('holding', 8000), 600_000).retryMs, 60_000, 'what has lasted long does not end now');
  t.same(at(closed('holding'), 2000, last), { retryMs: 6000, usual: { seconds: 8, exceeded: false } }, "without the healer, the gate's own last recovery");
  t.same(at(closed('holding'), 2000), { retryMs: 10_000, usual: undefined });
  t.same(at(closed('falling_back', 8000), 2000), { retryMs: 10_000, usual: undefined }, 'nobody repairs it');
  t.same(at({ kind: 'open' }, 0, last), { retryMs: 5000, usual: undefined });
});

t.test('the page says how long it usually takes, and when it takes longer', async (t) => {
  const { ask, gateway } = await gatewayInFront(t);
  const began = performance.now();
  gateway.gate.hold({ until: 'order', incident, say: 'it is being repaired right now' });
  const unknown = await ask(navigation);
  t.notMatch(unknown.body, /usually/);
  t.match(unknown.body, 'It is being repaired right now.');
  gateway.gate.hold({ until: 'order', incident, say: 'it is being repaired right now', estimateMs: 12_000 });
  const known = await ask(navigation);
  t.match(known.body, '<p>This usually takes about 15 seconds.</p>');
  const [left, passedMs] = [Number(known.headers['retry-after']), performance.now() - began];
  t.ok(left <= 12 && left >= 12 - Math.ceil(passedMs / 1000), `${left} s of 12 are left after ${passedMs} ms`);
  gateway.gate.hold({ until: 'order', incident, say: 'it is being repaired right now', estimateMs: 20 });
  const late = await ask(navigation);
  t.match(late.body, '<p>This usually takes about 2 seconds. This time it takes longer.</p>');
  t.match([late.headers['retry-after'], Number(late.headers['refresh']) >= 5], ['1', true]);
  gateway.gate.hold({ until: 'order', incident, say: 'it is being repaired right now', estimateMs: 240_000 });
  t.match((await ask(navigation)).body, 'This usually takes about 4 minutes.');
});

t.test('a full queue is answered without delay', async (t) => {
  const { ask, gateway } = await gatewayInFront(t, { hold: { for: '30s', requests: 1 } });
  gateway.gate.hold({ until: 'order', say: '' });
  const patient = ask(navigation).catch(() => undefined);
  await until(() => gateway.gate.held === 1, { timeoutMs: 15_000, what: 'the queue to be full' });
  const page = await ask({ ...navigation, 'accept-language': 'de' });
  t.match([page.status, page.headers['proxy-status']], [503, 'goodgateway; error=connection_limit_reached']);
  t.match(page.body, 'Im Moment warten sehr viele Menschen.');
  gateway.gate.fallBack({ until: 'order', say: '' });
  await patient;
});

t.test('a quarantined request has its own sentence and incident, and is not tried again by its page', async (t) => {
  const { gateway } = await gatewayInFront(t, { fallback: { status: 'exact' } });
  const answerTo = async (method: string) => {
    const request: GatewayRequest = {
      id: 'r1',
      method,
      target: '/deadly',
      wire: { protocol: 'http', rawHeaders: [], upgrade: false },
      body: { length: 0, open: () => Readable.from([]) },
      clientGone: new AbortController().signal,
      interim: {},
      header: asking(navigation).header,
      clientAddress: '',
    };
    const journey = openJourney(request, gateway);
    journey.note.quarantined = { incident, forMs: 90_000 };
    const { head, body } = fallBack(journey, 'quarantined');
    return { status: head.status, headers: head.rawHeaders.join('\n'), body: await text(body) };
  };
  const page = await answerTo('GET');
  t.equal(page.status, 503);
  t.match(page.headers, /Retry-After\n90\nProxy-Status\ngoodgateway; error=http_request_denied\n/);
  t.match(page.headers, /X-Goodgateway-Incident\nBCDEF1\n/);
  t.notMatch(page.headers, /Refresh/);
  t.match(page.body, /<p>This request made the site fail, so it is not tried again for now\. You can use the other pages\.<\/p>\n<p><\/p>\n<p><\/p>/);
  t.match((await answerTo('POST')).body, '<p>What you sent was not processed.</p>');
});
