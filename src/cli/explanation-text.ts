import type { Explanation, LogIncident, LogSuspect } from '../signatures/diagnose-log.ts';
import { timeText, type LogTime } from '../signatures/log-time.ts';
import type { ReadLog } from '../signatures/read-log.ts';
import { plain, styled, withStop, wrap } from './terminal.ts';

const mostIncidents = 10;
const width = 100;

/** An explanation for a person: the newest incidents, each with its sentence, why, what helps, and what does not. */
export function explanationText({ incidents, causes, harmless }: Explanation, log: ReadLog): readonly string[] {
  const shown = incidents.slice(-mostIncidents);
  const left = incidents.length - shown.length;
  const several = incidents.length > 1 ? [`${incidents.length} incidents${left > 0 ? `; the last ${shown.length} of them:` : ':'}`, ''] : [];
  const story = shown.length > 0 ? [...several, ...shown.flatMap((incident, i) => [...(i > 0 ? [''] : []), ...incidentText(incident)])] : nothingFound(causes, log);
  const noise = harmless.length > 0 ? ['', 'Harmless, whatever its level:', ...harmless.flatMap((each) => item(each))] : [];
  return [...story, ...noise, '', readHow(log)];
}

function incidentText({ from, to, suspects, triggers }: LogIncident): readonly string[] {
  const [best, ...others] = suspects;
  if (!best) return [];
  const when = from ? `${moment(from)}${to && timeText(to) !== timeText(from) ? ` to ${moment(to)}` : ''}` : 'Without a time';
  return [
    styled('dim', when),
    ...wrap(styled('bold', plain(withStop(best.sentence))), { width }),
    ...labelled('Cause', `${best.cause}${best.subject === '' ? '' : `, ${best.subject}`} (${best.confidence})`),
    ...list('Because', best.because),
    ...list('Against it', best.against),
    ...list('Changed just before', triggers),
    ...(best.confidence === 'possible' || best.cause === 'unknown' ? labelled('Look at next', best.confirm) : []),
    ...labelled('What helps', best.remedy),
    ...list('What does not', best.avoid),
    ...list('Or else', others.filter(({ cause }) => cause !== 'unknown').map(otherText)),
  ];
}

function otherText({ cause, confidence, sentence, confirm }: LogSuspect): string {
  return `${cause} (${confidence}): ${withStop(sentence)} ${confirm}`;
}

function nothingFound(causes: readonly LogSuspect[], { lines, traffic }: ReadLog): readonly string[] {
  if (lines === 0) return ['There was nothing to read.'];
  const { '502': bad, '503': away, '504': late } = traffic.statuses;
  const failed = bad + away + late;
  const gateway =
    failed > 0 ? wrap(`The access log holds ${failed} ${failed === 1 ? 'answer' : 'answers'} of a gateway that failed (502: ${bad}, 503: ${away}, 504: ${late}), but never why.`, { width }) : [];
  return ['Nothing that is known as trouble was found.', ...gateway, ...labelled('Look at next', causes[0]?.remedy ?? '')];
}

function readHow({ lines, known, dropped }: ReadLog): string {
  const unknown = dropped > 0 ? `, ${dropped} of them no longer told apart` : '';
  return styled('dim', `Read ${lines} ${lines === 1 ? 'line' : 'lines'}; ${known} of a known kind${unknown}.`);
}

function moment(time: LogTime): string {
  return timeText(time).replace('T', ' ');
}

function labelled(label: string, text: string): readonly string[] {
  return wrap(`${label}: ${plain(withStop(text))}`, { width, indent: '  ', hang: '    ' });
}

function list(label: string, texts: readonly string[]): readonly string[] {
  return texts.length === 0 ? [] : [`  ${label}:`, ...texts.flatMap((text) => item(text))];
}

function item(text: string): readonly string[] {
  return wrap(plain(withStop(text)), { width, indent: '    - ', hang: '      ' });
}
