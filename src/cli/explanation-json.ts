import { redact } from '../healer/audit/redact.ts';
import type { Explanation, LogIncident, LogSuspect } from '../signatures/diagnose-log.ts';
import { timeText } from '../signatures/log-time.ts';
import type { ReadLog } from '../signatures/read-log.ts';

/** The most entries of `lines`. */
const mostLines = 1000;

/**
 * What `explain --json` prints (docs/explain.md). `causes` are over everything that was read, best first, and never
 * empty; `incidents` are the same by time. `lines`: the first line of each kind, subject and minute, at most 1000.
 */
export function explanationJson({ causes, incidents }: Explanation, log: ReadLog): object {
  return {
    causes: causes.map(causeJson),
    lines: log.sightings
      .toSorted((one, other) => one.line - other.line)
      .slice(0, mostLines)
      .map(({ line, entry, time, fields }) => ({ line, program: entry.program, time: time ? timeText(time) : null, signature: entry.id, fields: redactedFields(fields) })),
    incidents: incidents.map(incidentJson),
    read: { lines: log.lines, known: log.known },
  };
}

function causeJson({ cause, confidence, subject, because, against, remedy, confirm, avoid }: LogSuspect): object {
  // What is only possible has to be found out first: a program that reads only `remedy` must not miss that.
  return { cause, confidence, subject, because, against, remedy: confidence === 'possible' ? `Find out first: ${confirm} Then: ${remedy}` : remedy, avoid };
}

function incidentJson({ from, to, suspects, triggers }: LogIncident): object {
  return { from: from ? timeText(from) : null, to: to ? timeText(to) : null, causes: suspects.map(causeJson), triggers };
}

function redactedFields(fields: Readonly<Record<string, string | number>>): Readonly<Record<string, string | number>> {
  return Object.fromEntries(Object.entries(fields).map(([name, value]) => [name, typeof value === 'string' ? redact(value.replace(/\?.*$/, '')).text : value]));
}
