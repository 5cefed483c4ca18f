/**
 * What was seen in a log, in little memory: each kind of line with its subject, minute by minute, with the first such
 * line and how many there were. The order in which files are read does not matter.
 */
import type { SignatureEntry } from '../config/signature-schema.ts';
import type { KnownLine } from './compile.ts';
import { fillIfKnown } from './fill-text.ts';
import { momentMs, type LogTime } from './log-time.ts';
import type { Fields } from './match-pattern.ts';

/** One kind of line about one subject within one minute. */
export interface Sighting {
  readonly entry: SignatureEntry;
  readonly fields: Fields;
  /** The fields in which all of these lines agree: one page among hundreds is not to be blamed. */
  readonly common: Fields;
  readonly subject: string;
  /** The first such line, at most 300 characters, and its number in all that was read. */
  readonly text: string;
  readonly line: number;
  /** Its own time, else that of the lines around it. */
  readonly time: LogTime | undefined;
  readonly count: number;
}

export interface Sightings {
  /** `around`: the time of the lines before, for a line that has none. */
  add(known: KnownLine, line: number, around: LogTime | undefined): void;
  all(): readonly Sighting[];
  /** Known lines that no longer found a place. */
  readonly dropped: number;
}

const mostSightings = 20_000;
/** Beyond this many different subjects of one kind they are counted as one: an attacker may invent them. */
const mostSubjects = 200;
const quoteLength = 300;

type Counted = { -readonly [Key in keyof Sighting]: Sighting[Key] };

export function createSightings(): Sightings {
  const byKey = new Map<string, Counted>();
  const subjects = new Map<string, Set<string>>();
  let dropped = 0;
  const bounded = (id: string, subject: string): string => {
    const seen = subjects.get(id) ?? new Set();
    subjects.set(id, seen);
    if (seen.size < mostSubjects) seen.add(subject);
    return seen.has(subject) ? subject : '';
  };
  return {
    add({ entry, fields, line: { message, time: own } }, line, around) {
      const time = own ?? around;
      const subject = bounded(entry.id, fillIfKnown(entry.subject ?? '', fields).slice(0, 200));
      const key = `${time ? Math.floor(momentMs(time, 0) / 60_000) : ''} ${entry.id} ${subject}`;
      const known = byKey.get(key);
      if (known) {
        known.count += 1;
        known.common = inCommon(known.common, fields);
      } else if (byKey.size < mostSightings) byKey.set(key, { entry, fields, common: fields, subject, text: message.slice(0, quoteLength), line, time, count: 1 });
      else dropped += 1;
    },
    all: () => [...byKey.values()],
    get dropped() {
      return dropped;
    },
  };
}

/** What two lines of a kind both say. */
export function inCommon(one: Fields, other: Fields): Fields {
  const differing = Object.keys(one).filter((name) => one[name] !== other[name]);
  return differing.length === 0 ? one : Object.fromEntries(Object.entries(one).filter(([name]) => !differing.includes(name)));
}
