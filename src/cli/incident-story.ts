/** The story of one incident for a terminal: what `core/tell-record.ts` tells, in lines. */
import { incidentCode } from '../core/ids.ts';
import { tellStory, type Told, type ToldItem } from '../core/tell-record.ts';
import { formatDuration } from '../core/time.ts';
import type { IncidentStory } from '../healer/audit/find-incident.ts';
import { plain, styled, withStop, wrap } from './terminal.ts';
import { formatWhen, formatZone } from './when.ts';

/** The story in lines of at most 80 columns, as far as single words allow. `all`: gates that passed one by one, instead of their number. */
export function tellIncident(story: IncidentStory, { all }: { readonly all: boolean } = { all: false }): readonly string[] {
  const [first] = story.records;
  if (!first) return [];
  const startMs = Date.parse(first.ts);
  const lines = [styled('bold', `Incident ${incidentCode(story.id)} of ${plain(first.service ?? 'an unknown service')}, ${formatWhen(startMs)} ${formatZone(startMs)}`), styled('dim', story.id)];
  const { notUnderstood, leftOut } = story;
  if (notUnderstood > 0)
    lines.push(
      '',
      ...wrap(`Not told here: ${notUnderstood === 1 ? '1 record' : `${notUnderstood} records`} of it that this version does not understand. More may have been done than this says.`).map((line) =>
        styled('yellow', line),
      ),
    );
  for (const { afterMs, records, told } of tellStory(story.records, { all, when: formatWhen, isPartial: notUnderstood + leftOut > 0 })) {
    const repeated = records.length > 1 ? `  (${records.length} times the same)` : '';
    const at = `+${formatDuration(afterMs)}`.padStart(8);
    lines.push('', `${styled('dim', at)}  ${styled('bold', plain(told.heading))}${repeated}`, ...bodyOf(told));
  }
  return lines;
}

const labelWidth = 12;
const margin = ' '.repeat(10);

function bodyOf({ sentence = '', items }: Told): readonly string[] {
  const text = plain(sentence).trim();
  return [...(text === '' ? [] : wrap(withStop(text), { indent: margin })), ...items.flatMap(itemOf)];
}

/** A label of its own column, the text beside it. */
function itemOf({ label, text, refuses }: ToldItem): readonly string[] {
  const lines = wrap(plain(text), { indent: margin + label.padEnd(labelWidth), hang: margin + ' '.repeat(labelWidth) });
  return refuses ? lines.map((line) => styled('yellow', line)) : lines;
}
