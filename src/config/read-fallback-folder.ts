/** A folder with a page and texts, ours or the administrator's. Bounded; every mistake has its file and line. */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { parseTemplate, type Template } from './fallback-template.ts';
import { parseTexts, type WrittenTexts } from './fallback-texts.ts';
import type { ConfigProblem } from './problem.ts';
import { readText } from './read-text.ts';

/** What could be used of the folder. */
export interface FallbackFolder {
  readonly template?: Template;
  /** By language tag, as it is written canonically: `pt-BR`. */
  readonly languages: ReadonlyMap<string, WrittenTexts>;
  /** Why nothing could be read at all. */
  readonly unreadable?: string;
  /** A file with one of these is left out. */
  readonly problems: readonly ConfigProblem[];
  readonly warnings: readonly ConfigProblem[];
}

const pageLimit = { bytes: 256 * 1024, spoken: '256 KiB' };
const textLimit = { bytes: 64 * 1024, spoken: '64 KiB' };
/** More are a mistaken folder; the rest is left out and named. */
const mostFiles = 100;

/** Reads it. Never rejects. */
export async function readFallbackFolder(folder: string): Promise<FallbackFolder> {
  const names = await readdir(folder).catch((error: NodeJS.ErrnoException) => error);
  if (names instanceof Error) return { languages: new Map(), unreadable: whyNot(names), problems: [], warnings: [] };
  const meant = names.filter((name) => !name.startsWith('.') && /\.(txt|html?)$/i.test(name)).sort();
  const problems: ConfigProblem[] = [];
  const warnings: ConfigProblem[] = [];
  const languages = new Map<string, WrittenTexts>();
  let template: Template | undefined;
  for (const [index, name] of meant.entries()) {
    const file = join(folder, name);
    const language = languageOf(name);
    if (index >= mostFiles) problems.push(whole(file, `expected at most ${mostFiles} files in this folder`));
    else if (name === 'page.html') template = await readPage(file, { problems, warnings });
    else if (language === undefined) problems.push(whole(file, 'expected page.html, or a language as browsers name it, such as de.txt or pt-BR.txt'));
    else {
      const written = await readTexts(file, problems);
      if (written) languages.set(language, written);
    }
  }
  return { ...(template ? { template } : {}), languages, problems, warnings };
}

async function readPage(file: string, found: { readonly problems: ConfigProblem[]; readonly warnings: ConfigProblem[] }): Promise<Template | undefined> {
  const read = await readText(file, pageLimit);
  if (!read.ok) return void found.problems.push(whole(file, read.reason));
  const parsed = parseTemplate(file, read.text);
  found.problems.push(...parsed.problems);
  found.warnings.push(...parsed.warnings);
  return parsed.problems.length === 0 ? parsed.template : undefined;
}

async function readTexts(file: string, problems: ConfigProblem[]): Promise<WrittenTexts | undefined> {
  const read = await readText(file, textLimit);
  if (!read.ok) return void problems.push(whole(file, read.reason));
  const parsed = parseTexts(file, read.text);
  problems.push(...parsed.problems);
  return parsed.problems.length === 0 ? parsed.written : undefined;
}

function languageOf(name: string): string | undefined {
  const tag = /^([a-z]{2,3}(?:-[a-z0-9]{2,8}){0,3})\.txt$/i.exec(name)?.[1];
  try {
    return tag === undefined ? undefined : Intl.getCanonicalLocales(tag)[0];
  } catch {
    return undefined;
  }
}

function whole(file: string, message: string): ConfigProblem {
  return { file, line: 1, column: 1, message, path: '' };
}

function whyNot({ code, message }: NodeJS.ErrnoException): string {
  if (code === 'ENOENT') return 'there is no such folder';
  if (code === 'ENOTDIR') return 'expected a folder, and this is none';
  return code === 'EACCES' ? 'this user may not read the folder' : `the folder cannot be read: ${message}`;
}
