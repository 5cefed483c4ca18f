/** What `probe` says to people. */
import { formatAddress } from '../core/failure.ts';
import { formatDuration } from '../core/time.ts';
import type { Asked } from './ask-once.ts';
import type { Asking } from './probe-question.ts';
import type { Probed, Verdict } from './probe-verdict.ts';
import { plain, styled, table, wrap } from './terminal.ts';

const linesShown = 5;
const widest = 100;

/** Lines for the terminal, all of what came from elsewhere made harmless. */
export function probeText({ name, through, direct, nginx }: Probed, { question, site, verdict }: Asking & { readonly verdict: Verdict }): readonly string[] {
  const script = question.script ? ` as ${question.script.file}` : '';
  const place = site.place === undefined ? '' : ` (${site.place})`;
  const rows = [['through goodgateway', ...row(through, verdict.way === 'goodgateway' ? "goodgateway's own page" : '')], ...(direct ? [['directly', ...row(direct, '')]] : [])];
  // our own page says nothing of the site
  const shown = [through, direct].find((asked) => asked?.kind === 'answered' && !(asked === through && verdict.way === 'goodgateway'));
  return [
    plain(`${name}: GET ${question.https ? 'https' : 'http'}://${question.host}${question.path}${script}${place}`),
    '',
    ...table(rows.map((cells) => cells.map(plain))),
    ...(shown?.kind === 'answered' ? ['', ...firstLines(shown).map((line) => `  ${line}`)] : []),
    '',
    ...(nginx && nginx.refused === undefined ? [plain(`The user ${nginx.user} of nginx may connect to the gateway.`)] : []),
    ...verdict.sentences.flatMap((sentence, index) => wrap(plain(sentence), { width: widest }).map((line) => (index === 0 ? styled(verdict.ok ? 'green' : 'red', line) : line))),
  ];
}

function row(asked: Asked, remark: string): readonly string[] {
  const took = formatDuration(asked.tookMs);
  if (asked.kind === 'failed') return [formatAddress(asked.address), 'none', took, asked.failure.detail.slice(0, widest)];
  const location = asked.headers['location'];
  return [formatAddress(asked.address), String(asked.status), took, [remark, location === undefined ? '' : `to ${location.slice(0, widest)}`].filter((text) => text !== '').join(', ')];
}

function firstLines({ headers, body }: Extract<Asked, { kind: 'answered' }>): readonly string[] {
  const type = headers['content-type'] ?? '';
  if (body !== '' && !/^(text\/|application\/(.*json|.*xml|javascript))/i.test(type)) return [plain(`(${type === '' ? 'of no type' : type.slice(0, widest)})`)];
  const lines = Buffer.from(body, 'latin1').toString('utf8').split('\n');
  return lines
    .map((line) => plain(line).trimEnd())
    .filter((line) => line.trim() !== '')
    .slice(0, linesShown)
    .map((line) => line.slice(0, widest));
}
