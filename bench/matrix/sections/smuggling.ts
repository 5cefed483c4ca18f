/** Requests whose framing can be read in two ways, each as the very bytes that an attacker would send. */
import { setTimeout as pause } from 'node:timers/promises';
import { smuggling as expected } from '../expected.ts';
import { plainProxies } from '../proxies/registry.ts';
import { send } from '../raw-client.ts';
import { headerOf } from '../read-answer.ts';
import type { Behaviour, SeenRequest } from '../scripted-http.ts';
import type { Outcome, Section } from '../section.ts';
import { observe, startStage } from '../stage.ts';

type Row = keyof typeof expected;

const answers: Behaviour = (socket) => void socket.end('HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello');

/** Some proxies answer before they have passed the request on. */
const laterMs = 50;

const get = (headers: string): string => `GET /x HTTP/1.1\r\nHost: shop.example\r\nConnection: close\r\n${headers}\r\n`;
const post = (headers: string, body = ''): string => `POST /x HTTP/1.1\r\nHost: shop.example\r\nConnection: close\r\n${headers}\r\n${body}`;
const te = 'Transfer-Encoding: chunked\r\n';
const chunks = '2\r\nab\r\n0\r\n\r\n';

/** Latin-1. */
const requests: Readonly<Record<Row, string>> = {
  'CL + TE: chunked': post(`Content-Length: 6\r\n${te}`, '0\r\n\r\nX'),
  'TE: chunked, identity': post('Transfer-Encoding: chunked, identity\r\n', chunks),
  'TE: identity, chunked': post('Transfer-Encoding: identity, chunked\r\n', chunks),
  'TE: xchunked': post('Transfer-Encoding: xchunked\r\n', chunks),
  'TE: "\\x0bchunked"': post('Transfer-Encoding: \x0bchunked\r\n', chunks),
  'TE twice (chunked, chunked)': post(te + te, chunks),
  'TE in HTTP/1.0': `POST /x HTTP/1.0\r\nHost: shop.example\r\n${te}\r\n${chunks}`,
  'CL twice, same': post('Content-Length: 2\r\nContent-Length: 2\r\n', 'ab'),
  'CL twice, different': post('Content-Length: 2\r\nContent-Length: 3\r\n', 'abc'),
  'CL: 2, 2 (list)': post('Content-Length: 2, 2\r\n', 'ab'),
  'CL: +2': post('Content-Length: +2\r\n', 'ab'),
  'CL: 0x2': post('Content-Length: 0x2\r\n', 'ab'),
  'CL: 2 (sp) a': post('Content-Length: 2 a\r\n', 'ab'),
  'CL empty': post('Content-Length:\r\n'),
  'CL: -1': post('Content-Length: -1\r\n'),
  '"Content-Length :" space before colon': post('Content-Length : 2\r\n', 'ab'),
  '" Host" leading space, first header': 'GET /x HTTP/1.1\r\n Host: shop.example\r\nConnection: close\r\n\r\n',
  'obs-fold': get('X-Folded: one\r\n two\r\n'),
  'bare LF line ends': get('').replaceAll('\r\n', '\n'),
  'bare LF, one header': get('X-One: 1\n'),
  'bare CR in value': get('X-One: a\rb\r\n'),
  'NUL in value': get('X-One: a\0b\r\n'),
  'header name with _ (Content_Length: 5)': post('Content_Length: 5\r\nContent-Length: 2\r\n', 'ab'),
  'chunk extension': post(te, '2;name=value\r\nab\r\n0\r\n\r\n'),
  'chunk extension with bare LF': post(te, '2;name=value\nab\r\n0\r\n\r\n'),
  'chunk size with bare LF': post(te, '2\nab\r\n0\r\n\r\n'),
  'chunk data, no CRLF after': post(te, '2\r\nabXX0\r\n\r\n'),
  'chunk size 0x2': post(te, '0x2\r\nab\r\n0\r\n\r\n'),
  'chunk size +2': post(te, '+2\r\nab\r\n0\r\n\r\n'),
  'chunk size overflow': post(te, '10000000000000002\r\nab\r\n0\r\n\r\n'),
  'final chunk, LF only': post(te, '2\r\nab\r\n0\n\n'),
  'trailer Content-Length': post(te, '2\r\nab\r\n0\r\nContent-Length: 5\r\n\r\n'),
  'two Host': 'GET /x HTTP/1.1\r\nHost: shop.example\r\nHost: other.example\r\nConnection: close\r\n\r\n',
  'no Host': 'GET /x HTTP/1.1\r\nConnection: close\r\n\r\n',
  'absolute-form, other Host': 'GET http://target.example/x HTTP/1.1\r\nHost: header.example\r\nConnection: close\r\n\r\n',
  'Connection: X-Forwarded-For': 'GET /x HTTP/1.1\r\nHost: shop.example\r\nX-Forwarded-For: 203.0.113.7\r\nConnection: close, X-Forwarded-For\r\n\r\n',
  'Connection: Content-Length': 'POST /x HTTP/1.1\r\nHost: shop.example\r\nContent-Length: 2\r\nConnection: close, Content-Length\r\n\r\nab',
  'GET with body (CL)': `${get('Content-Length: 2\r\n')}ab`,
  'HTTP/1.2': get('').replace('HTTP/1.1', 'HTTP/1.2'),
  'HTTP/2.0 in text': get('').replace('HTTP/1.1', 'HTTP/2.0'),
  'HTTP/0.9': 'GET /x\r\n\r\n',
  'GET *': get('').replace('/x', '*'),
  'OPTIONS *': get('').replace('GET /x', 'OPTIONS *'),
  'tab between method and target': get('').replace('GET ', 'GET\t'),
  'leading CRLF': `\r\n${get('')}`,
  'Expect: 100-continue': post('Content-Length: 2\r\nExpect: 100-continue\r\n'),
  'Expect: bogus': get('Expect: bogus\r\n'),
  'Upgrade: h2c': get('').replace('Connection: close', 'Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA'),
};

export const smuggling: Section = {
  id: '1.10',
  title: 'Requests that two parsers read differently',
  notes: [
    'In brackets, what the backend saw: `CL` and `TE` are Content-Length and Transfer-Encoding, `_` the name with an underscore, `XFF` the client’s X-Forwarded-For, `UPG` the Upgrade header, `ext` a chunk extension, `trailer-CL` a Content-Length in the trailer, `NUL` a NUL byte, `unfinished` a request of which it never got the whole body.',
  ],
  proxies: plainProxies,
  async run(course) {
    const { backend, proxy } = await startStage(course);
    const outcomes: Outcome[] = [];
    for (const [index, row] of (Object.keys(expected) as Row[]).entries()) {
      await proxy.revive();
      backend.play(answers);
      const reply = await send(proxy.front, requests[row].replace('/x', `/row${index}`), { timeoutMs: 3000, ...(row === 'Expect: 100-continue' ? { after100: 'ab' } : {}) });
      await pause(laterMs);
      // what a proxy passes on after its answer must not count for the next row
      const seen = backend.seen.filter(({ target }) => !target.includes('/row') || target.endsWith(`/row${index}`));
      outcomes.push({ row, part: '', seen: observe(reply, seen, seen.flatMap(marks)) });
    }
    return outcomes;
  },
  expected: ({ row }) => expected[row as Row],
};

/** What of a request's framing reached the backend. */
function marks({ head, body, target, finished }: SeenRequest): string[] {
  const values = (name: string): string[] => [...head.matchAll(new RegExp(`^${name}:[ \\t]*(.*?)[ \\t]*\\r?$`, 'gim'))].map((found) => found[1]!);
  const codings = values('transfer-encoding');
  const host = headerOf(head, 'host');
  const found: readonly (readonly [string, boolean])[] = [
    ...values('content-length').map((value) => [`CL=${value}`, true] as const),
    [codings.join() === 'chunked' ? 'TE' : `TE=${codings.join()}`, codings.length > 0],
    ['_', /^content_length:/im.test(head)],
    ['XFF', values('x-forwarded-for').some((value) => value.includes('203.0.113.7'))],
    ['UPG', values('upgrade').length > 0],
    ['Expect', values('expect').length > 0],
    ['Host=target', host === 'target.example'],
    ['Host=header', host === 'header.example'],
    [`target=${target}`, target.includes('*')],
    ['ext', codings.length > 0 && body.includes(';')],
    ['trailer-CL', /content-length/i.test(body)],
    ['NUL', head.includes('\0')],
    ['unfinished', !finished],
  ];
  return found.filter(([, is]) => is).map(([mark]) => mark);
}
