/** Units of systemd as their files say: without systemctl, so also of a host that is not running systemd just now. */
import type { HostFiles } from './host-files.ts';

/** Administrators' files first, as systemd searches them. */
const folders = ['/etc/systemd/system', '/run/systemd/system', '/usr/local/lib/systemd/system', '/usr/lib/systemd/system', '/lib/systemd/system'];

/** One unit: its file, and what is in force of it and its drop-ins. */
export interface Unit {
  readonly name: string;
  readonly file: string;
  /** The last value of a key; an empty one takes earlier ones back. */
  value(section: 'Unit' | 'Service', key: string): { readonly text: string; readonly place: string } | undefined;
}

/** `undefined` when there is no such unit. Of an instance (`a@b.service`) the template's file is read. */
export async function readUnit(files: HostFiles, name: string): Promise<Unit | undefined> {
  const template = name.replace(/@.*(\.\w+)$/, '@$1');
  const file = await files.first([name, template].flatMap((each) => folders.map((folder) => `${folder}/${each}`)));
  if (file === undefined) return undefined;
  // of drop-ins with one name the first folder's counts, and all are read by name
  const dropIns = new Map<string, string>();
  for (const folder of folders.toReversed()) for (const path of await files.matching(`${folder}/${name}.d/*.conf`)) dropIns.set(path.slice(path.lastIndexOf('/')), path);
  const values = new Map<string, { readonly text: string; readonly place: string }>();
  const ordered = [...dropIns].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, path]) => path);
  for (const path of [file, ...ordered]) await readInto(values, path, files);
  return {
    name,
    file,
    value: (section, key) => {
      const found = values.get(`${section}.${key}`);
      return found?.text === '' ? undefined : found;
    },
  };
}

async function readInto(values: Map<string, { readonly text: string; readonly place: string }>, path: string, files: HostFiles): Promise<void> {
  let section = '';
  for (const { text, line } of await files.lines(path)) {
    section = /^\[(\w+)\]$/.exec(text)?.[1] ?? section;
    const found = /^(\w+)\s*=\s*(.*)$/.exec(text);
    if (found) values.set(`${section}.${found[1]}`, { text: found[2]!, place: `${path}:${line}` });
  }
}

/** systemd's times in seconds: `100ms`, `5`, `5s`, `1min 30s`; `undefined` when it is none. */
export function unitSeconds(text: string | undefined): number | undefined {
  const units: Readonly<Record<string, number>> = { us: 1e-6, ms: 1e-3, s: 1, sec: 1, m: 60, min: 60, h: 3600, hr: 3600, d: 86_400, '': 1 };
  const compact = (text ?? '').replaceAll(' ', '');
  const parts = [...compact.matchAll(/(\d+(?:\.\d+)?)([a-z]*)/g)];
  if (parts.length === 0 || parts.map(([all]) => all).join('') !== compact) return undefined;
  return parts.reduce<number | undefined>((sum, [, count, unit]) => (sum === undefined || units[unit ?? ''] === undefined ? undefined : sum + Number(count) * units[unit ?? '']!), 0);
}
