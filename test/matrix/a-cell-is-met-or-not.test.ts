/** The judge of the failure matrix: a table that cannot fail proves nothing. */
import t from 'tap';
import { cellText, meets, type Observation } from '../../bench/matrix/cell.ts';
import type { Cells } from '../../bench/matrix/expected.ts';
import { send } from '../../bench/matrix/raw-client.ts';
import { startBackend } from '../fixtures/backends/start-backend.ts';
import * as does from '../fixtures/backends/behaviours.ts';

const seen = (parts: Partial<Observation>): Observation => ({ status: 200, interim: [], cut: false, error: undefined, hits: 1, notes: [], seconds: 0, ...parts });

t.test('a cell says everything that was seen', (t) => {
  t.equal(cellText(seen({})), '200 x1');
  t.equal(cellText(seen({ cut: true, hits: 2 })), '200! x2');
  t.equal(cellText(seen({ status: 503, error: 'connection_refused', hits: 0 })), '503 connection_refused x0');
  t.equal(cellText(seen({ interim: [100], notes: ['CL=2', 'Expect'] })), '100+200 x1 [CL=2 Expect]');
  t.equal(cellText(seen({ status: 'closed' })), 'closed x1');
  t.end();
});

t.test('a cell that differs in anything is not met', (t) => {
  const rows: readonly [Cells, Partial<Observation>, boolean][] = [
    ['200 x1', {}, true],
    ['200 x1', { hits: 2 }, false],
    ['200 x1', { cut: true }, false],
    ['200! x1', {}, false],
    ['200 x1', { notes: ['TE'] }, false],
    ['503 connection_refused x0', { status: 503, hits: 0 }, false],
    ['503 connection_refused x0', { status: 502, error: 'connection_refused', hits: 0 }, false],
    [['400 x0', '501 x0'], { status: 501, hits: 0 }, true],
    [['400 x0', '501 x0'], { status: 200 }, false],
    ['503 destination_unavailable x2+', { status: 503, error: 'destination_unavailable', hits: 21 }, true],
    ['503 destination_unavailable x2+', { status: 503, error: 'destination_unavailable', hits: 1 }, false],
    ['503 destination_unavailable x2+', { status: 503, error: 'connection_terminated', hits: 3 }, false],
    ['cut x1', { cut: true }, true],
    ['cut x1', { status: 'closed' }, true],
    ['cut x1', { status: 502 }, true],
    ['cut x1', { status: 502, error: 'http_protocol_error' }, false],
    ['cut x1', {}, false],
    ['cut x1', { cut: true, hits: 2 }, false],
    ['cut x1', { status: 'silent' }, false],
  ];
  for (const [expected, observed, met] of rows) t.equal(meets(seen(observed), expected), met, `${String(expected)} and ${cellText(seen(observed))}`);
  t.end();
});

t.test('the client tells a whole answer from one that broke off', async (t) => {
  const ok = 'HTTP/1.1 200 OK\r\n';
  const rows: readonly [string, does.Behaviour, string][] = [
    ['the whole length', does.answers(`${ok}Content-Length: 2\r\n\r\nab`), '200'],
    ['less than the length', does.cutsTheBody, '200!'],
    ['all chunks', does.answers(`${ok}Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n`), '200'],
    ['no last chunk', does.leavesOutTheLastChunk, '200!'],
    ['a clean end of a body without length', does.answers(`${ok}\r\nab`), '200'],
    ['a reset of a body without length', does.resetsAnAnswerThatLastsUntilClose, '200!'],
    ['an interim answer first', does.answers(`HTTP/1.1 103 Early Hints\r\n\r\n${ok}Content-Length: 0\r\n\r\n`), '103+200'],
    ['a head that broke off', does.cutsTheHead, 'closed'],
    ['nothing', does.closesAfterRequest, 'closed'],
    ['no HTTP', does.answers('junk\r\n'), 'raw'],
    ['silence', does.neverAnswers, 'silent'],
  ];
  for (const [what, behaviour, expected] of rows) {
    const { address } = await startBackend(t, 'tcp', behaviour);
    const reply = await send(address, 'GET / HTTP/1.1\r\nHost: a\r\n\r\n', { timeoutMs: what === 'silence' ? 100 : 10_000 });
    t.equal([...reply.interim, reply.status].join('+') + (reply.cut ? '!' : ''), expected, what);
  }
});
