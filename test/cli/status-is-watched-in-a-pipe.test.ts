import t from 'tap';
import { changedLines, type Said } from '../../src/cli/status-lines.ts';
import { formatWhen } from '../../src/cli/when.ts';
import { gateway, incident, nowMs, service, status } from '../fixtures/cli/watched.ts';

const at = formatWhen(nowMs);

t.test('a line comes at the start, when something is another, and not for numbers that change all the time', async (t) => {
  const said: Said = new Map();
  const lines = (answer: Parameters<typeof changedLines>[0]): readonly string[] => changedLines(answer, said, nowMs);
  const well = (more = {}) => status([service('shop'), service('db')], [gateway('shop', more)]);
  t.same(lines(well()), [
    `${at} healing is on; audit log: ok; left on this host within 1 h: 3 of 4 disruptive actions, 12 of 12 starts`,
    `${at} shop: running (act); no open incident; shop: visitors are answered; 3 in flight, 0 held, 12.5 a second`,
    `${at} db: running (act); no open incident`,
  ]);
  t.same(lines(well({ in_flight: 4, per_second: 99 })), []);
  t.same(lines(well({ failed_last_minute: 2, failed_by_kind: { connection_refused: 2 } })), [
    `${at} shop: running (act); no open incident; shop: visitors are answered; 3 in flight, 0 held, 12.5 a second; failed in the last minute: 2 (2 connection_refused)`,
  ]);
  t.same(lines(well({ failed_last_minute: 3, failed_by_kind: { connection_refused: 3 } })), []);
  const refused = (seconds: number) =>
    status([service('shop', { state: 'failed', incident: incident({ doing: 'held_back', text: `start is refused by cooldown (${seconds} s of 60 s are over)` }) }), service('db')], []);
  t.match(lines(refused(12)), [/ shop: failed \(act\); incident X7K3FQ: php-fpm is not running, .*; done: restart; held back: start is refused by cooldown \(12 s of 60 s are over\)$/]);
  t.same(lines(refused(13)), [], 'the same refusal, a second later');
  t.match(lines(status([service('shop'), service('db')], [gateway('shop', { visitors: null, heard_ms_ago: 5000 })])), [/ shop: its proxy has been silent for 5 s$/]);
  t.same(lines({ noAnswer: 'the healer does not run', away: true }), [`${at} the healer does not run`]);
  t.same(lines({ noAnswer: 'the healer does not run', away: true }), []);
  t.equal(lines(well()).length, 2, 'it is back, and so is the proxy');
});

t.test('a line is one line, without characters that a terminal obeys', async (t) => {
  const [, line] = changedLines(status([service('\u001b[2Ja', { gave_up: 'x', state: 'a\nb' })]), new Map(), nowMs);
  t.match(line, / �\[2Ja: a b \(act\); no open incident; given up; to let goodgateway try again: goodgateway ack �\[2Ja$/);
});
