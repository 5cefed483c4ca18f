/**
 * A message of an incident in five lines, for somebody who reads it on a phone at night: what happened, why, what was
 * done, how it stands and what visitors get, what is asked.
 */
import { incidentCode } from '../core/ids.ts';
import { formatDuration } from '../core/time.ts';
import type { Healer, OpenCase, Ward } from './healer.ts';

export interface LinesWanted {
  /** Stands behind the service's name: `is well again`, or a part of its own, `a person is needed`. */
  readonly headline: string;
  /** How it stands, as one sentence. */
  readonly now?: string | undefined;
  /** What is asked; `remedy`: what would help against the cause. Absent: nothing. */
  readonly please?: string | { readonly remedy: true } | undefined;
  readonly kind: 'begins' | 'over' | 'asks';
}

interface Place {
  readonly open: OpenCase;
  readonly ward: Ward;
  readonly healer: Healer;
}

/** Lines that say nothing are left out. They may hold what a backend answered: {@link tell} cleans them. */
export function incidentLines(place: Place, { headline, now, please, kind }: LinesWanted): readonly string[] {
  const { open, ward } = place;
  const { incident, diagnosis } = open;
  const best = diagnosis?.best;
  const asked = typeof please === 'object' ? best?.remedy : please;
  const lines = [
    `${ward.name} ${headline.startsWith('is ') ? '' : '- '}${headline} (incident ${incidentCode(incident.id)})${kind === 'over' ? '. It was' : ''}: ${incident.symptom.text}`,
    best ? `Why: ${best.sentence} (${best.cause}, ${best.confidence})` : '',
    doneLine(open, kind),
    nowLine(place, now, kind),
    asked ? `Please: ${asked}` : '',
  ];
  return lines.filter((line) => line !== '');
}

function doneLine({ done }: OpenCase, kind: LinesWanted['kind']): string {
  // who hears that it begins may hear it late
  if (kind === 'begins') return '';
  if (done.length > 0) return `Done: ${done.join(', ')}.`;
  return `Done: nothing by goodgateway${kind === 'over' ? '; it came back by itself, or somebody repaired it' : ''}.`;
}

function nowLine({ open, ward, healer }: Place, now: string | undefined, kind: LinesWanted['kind']): string {
  if (kind === 'over') return `Now: ${now ?? `all checks pass, ${formatDuration(Math.max(0, healer.clock.wallMs() - open.incident.openedAtMs))} after it began.`}`;
  const visitors = ward.gateways.length === 0 ? '' : open.gatesClosed ? (kind === 'begins' ? 'Visitors wait meanwhile.' : 'Visitors get the page.') : 'Visitors get what the service answers.';
  const parts = [now, visitors].filter((part) => part);
  return parts.length > 0 ? `Now: ${parts.join(' ')}` : '';
}
