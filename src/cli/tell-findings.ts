/** The doctor's report for people: calm, grouped by severity, 80 columns. */
import { severities, type Finding, type Severity } from '../doctor/finding.ts';
import type { DoctorReport } from '../doctor/run-doctor.ts';
import { plain, styled, wrap } from './terminal.ts';
import { formatWhen } from './when.ts';

const headings: Readonly<Record<Severity, string>> = {
  serious: 'Serious: it hurts already, or with the next restart',
  warning: 'Warnings: it will hurt under load or in an outage',
  info: 'Good to know',
};
const colours = { serious: 'red', warning: 'yellow', info: 'dim' } as const;

/** Everything that was found, what changed, and what was not seen. */
export function tellFindings({ findings, unseen, changes }: DoctorReport): readonly string[] {
  const groups = severities.flatMap((severity) => {
    const group = findings.filter((one) => one.severity === severity);
    return group.length === 0 ? [] : [styled(colours[severity], headings[severity]), '', ...group.flatMap((one) => [...tellOne(one), ''])];
  });
  return [...groups, ...tellChanges(changes), ...tellUnseen(unseen), summary(findings)];
}

/** For cron: a line for each warning and each serious finding, and for each that is gone; nothing when there is none. */
export function tellBriefly({ findings, changes }: DoctorReport): readonly string[] {
  const isNew = (one: Finding): boolean => changes !== null && changes.appeared.some(({ id, subject }) => id === one.id && subject === one.subject);
  const gone = (changes?.gone ?? []).map(({ id, subject }) => `gone since the last run: ${id}: ${subject}`);
  return [...findings.filter(isTrouble).map((one) => `${isNew(one) ? 'new ' : ''}${one.severity}: ${one.id}: ${one.subject}: ${one.what}`), ...gone].map(plain);
}

/** What makes the exit status 1. */
export function isTrouble({ severity }: Finding): boolean {
  return severity !== 'info';
}

function tellOne({ id, subject, what, why, change }: Finding): readonly string[] {
  const part = (label: string, text: string): readonly string[] => wrap(plain(`${label} ${text}`), { indent: '  ', hang: ' '.repeat(3 + label.length) });
  const heading = wrap(plain(`${id}: ${subject}`), { hang: '  ' }).map((line) => styled('bold', line));
  return [...heading, ...wrap(plain(what), { indent: '  ' }), ...part('why:', why), ...part('change:', change)];
}

function tellChanges(changes: DoctorReport['changes']): readonly string[] {
  if (!changes) return [];
  const since = `since the last run, ${formatWhen(Date.parse(changes.since))}: `;
  if (changes.appeared.length + changes.gone.length === 0) return [`${since}nothing changed`, ''];
  const list = (label: string, ones: readonly Pick<Finding, 'id' | 'subject'>[]): readonly string[] =>
    ones.flatMap(({ id, subject }) => wrap(plain(`${label} ${id}: ${subject}`), { indent: '  ', hang: '    ' }));
  return [since.trimEnd(), ...list('new: ', changes.appeared), ...list('gone:', changes.gone), ''];
}

function tellUnseen(unseen: DoctorReport['unseen']): readonly string[] {
  if (unseen.length === 0) return [];
  return ['not seen:', ...unseen.flatMap(({ subject, why }) => wrap(plain(`${subject}: ${why}`), { indent: '  ', hang: '    ' })), ''].map((line) => styled('dim', line));
}

function summary(findings: readonly Finding[]): string {
  const count = (severity: Severity): number => findings.filter((one) => one.severity === severity).length;
  const [serious, warnings, info] = severities.map(count);
  if (findings.length === 0) return 'nothing found';
  return `${serious} serious, ${warnings} ${warnings === 1 ? 'warning' : 'warnings'}, ${info} good to know`;
}
