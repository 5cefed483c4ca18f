/** Simulated incidents as text of at most 80 columns, and as plain data. */
import { incidentCode } from '../core/ids.ts';
import { toAct } from '../core/story-words.ts';
import { formatDuration } from '../core/time.ts';
import type { Entry, SimulatedEnd, SimulatedIncident } from '../healer/simulate/events.ts';
import type { Tally } from '../healer/simulate/tally.ts';
import { plain, styled, wrap } from './terminal.ts';
import { formatWhen } from './when.ts';

const indent = ' '.repeat(13);

/** One incident: its heading, what would happen, how it ends. */
export function tellSimulated(incident: SimulatedIncident, heading = formatWhen(incident.openedAtMs)): readonly string[] {
  const code = incident.id === undefined ? '' : `  ${incidentCode(incident.id)}`;
  const lines = incident.entries.flatMap((entry) => {
    const at = `+${formatDuration(entry.atMs - incident.openedAtMs)}`.padStart(indent.length - 2);
    return wrap(plain(tellEntry(entry)), { indent: `${at}  `, hang: indent });
  });
  const after = incident.endedAtMs === undefined ? '' : ` after ${formatDuration(incident.endedAtMs - incident.openedAtMs)}`;
  return [styled('bold', plain(`${heading}  ${incident.service}${code}`)), ...lines, ...wrap(ends[incident.end].replace('{after}', after), { indent })];
}

const ends: Readonly<Record<SimulatedEnd, string>> = {
  helped: 'well again{after}',
  by_itself: 'well again by itself{after}',
  by_person: 'a person made it well again{after}',
  not_known: 'what ended it then would not be done now, so nobody knows how it would have gone on',
  open: 'not over at the end',
};

function tellEntry(entry: Entry): string {
  switch (entry.kind) {
    case 'cause':
      return `cause: ${entry.cause} (${entry.confidence})`;
    case 'would': {
      const result = entry.result === 'none' ? '' : `; it ${entry.result}, ${entry.known === 'told' ? 'as is told' : 'as is assumed'}`;
      return `would ${toAct(entry.action)}${entry.asks ? ', once a person agrees' : ''}, by the rule "${entry.rule}"${result}`;
    }
    case 'refused': {
      const until = entry.untilMs === undefined ? '' : `; until ${formatWhen(entry.untilMs)}`;
      return `would not ${toAct(entry.action)}: ${entry.gates.map(({ gate, reason }) => `${gate} (${reason})`).join(', ')}${until}`;
    }
    default:
      return entry.text;
  }
}

/** `would do: 3 × start, 1 × restart`, and what was refused by which gates. */
export function tellTally({ would, refused, refusedBy, gaveUp, assumed }: Tally): readonly string[] {
  const parts = (counts: Readonly<Partial<Record<string, number>>>) => Object.entries(counts).toSorted(([, a = 0], [, b = 0]) => b - a);
  const done = parts(would).map(([action, times]) => `${times} × ${action}`);
  const gates = parts(refusedBy).map(([gate, times]) => `${gate} ${times}`);
  return [
    ...wrap(`would do: ${done.join(', ') || 'nothing'}`, { hang: '  ' }),
    ...wrap(`refused: ${refused}${gates.length > 0 ? ` (${gates.join(', ')})` : ''}`, { hang: '  ' }),
    ...(gaveUp > 0 ? [`gave up: ${gaveUp}`] : []),
    ...(assumed > 0 ? [`assumed: the result of ${assumed} ${assumed === 1 ? 'step' : 'steps'}`] : []),
  ];
}

/** Moments as ISO texts, for programs. */
export function simulatedJson({ id, service, openedAtMs, entries, end, endedAtMs }: SimulatedIncident): object {
  return {
    ...(id === undefined ? {} : { incident: id }),
    service,
    opened_at: iso(openedAtMs),
    entries: entries.map((entry) => {
      const { atMs, ...rest } = entry;
      const { untilMs, ...words } = 'untilMs' in rest ? rest : { ...rest, untilMs: undefined };
      return { at: iso(atMs), ...words, ...(untilMs === undefined ? {} : { until: iso(untilMs) }) };
    }),
    end,
    ...(endedAtMs === undefined ? {} : { ended_at: iso(endedAtMs) }),
  };
}

function iso(ms: number): string {
  return new Date(ms).toISOString();
}
