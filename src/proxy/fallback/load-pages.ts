/**
 * Everything that visitors may have to read, made ready at the start and with every reload: our own page and texts, and
 * over them those of the administrator. Whatever is wrong with the latter is told and left out: a page must never stop
 * traffic. A reload, which has a page that is right, asks what was left out.
 */
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { GatewayConfig } from '../../config/host-schema.ts';
import type { Template } from '../../config/fallback-template.ts';
import { textKeys, type Texts, type WrittenTexts } from '../../config/fallback-texts.ts';
import { formatProblem } from '../../config/problem.ts';
import { readFallbackFolder, type FallbackFolder } from '../../config/read-fallback-folder.ts';
import { linkTo } from './link-to.ts';

/** One language, complete: what nobody has translated is English. */
export interface PageLanguage {
  /** The tag for `lang` and Content-Language. */
  readonly tag: string;
  readonly direction: 'ltr' | 'rtl';
  readonly texts: Texts;
}

export interface FallbackPages {
  /** English first: it is for whom nothing else fits. */
  readonly languages: ReadonlyMap<string, PageLanguage>;
  readonly template: Template;
  /** The Content-Security-Policy that this template needs, and no more. */
  readonly securityPolicy: string;
  /** HTML; empty without a contact. */
  readonly contact: string;
  /** What of the administrator's folder is not used, and why. */
  readonly leftOut: readonly string[];
}

export interface BuiltInPages {
  readonly template: Template;
  readonly languages: ReadonlyMap<string, WrittenTexts>;
  readonly english: Texts;
}

/** Gets one sentence for people. */
type Tell = (message: string) => void;

const builtInFolder = fileURLToPath(new URL('../../../fallback', import.meta.url));

/**
 * What comes with goodgateway; `tell` gets what is wrong with it or not translated. Rejects only without our page and
 * English: then the installation is incomplete.
 */
export async function readBuiltIn(tell: Tell, folder = builtInFolder): Promise<BuiltInPages> {
  const { template, languages, unreadable, problems } = await readFallbackFolder(folder);
  const english = completed(languages.get('en')?.texts ?? {});
  if (!template || !english) throw new Error(`install goodgateway again: ${folder}: ${unreadable ?? problems.map(formatProblem)[0] ?? 'page.html and a complete en.txt are missing'}`);
  for (const problem of problems) tell(`${formatProblem(problem)}; this file is not used`);
  for (const [tag, { texts }] of languages) tellMissing(join(folder, `${tag}.txt`), texts, tell);
  return { template, languages, english };
}

/** The pages of one gateway. `tell` gets a sentence for each thing that the administrator has to know. */
export async function loadPages({ folder, title, contact }: GatewayConfig['fallback'], builtIn: BuiltInPages, tell: Tell): Promise<FallbackPages> {
  const own = folder === undefined ? undefined : await readFallbackFolder(folder);
  const leftOut = own ? whatIsLeftOut(folder ?? '', own) : [];
  for (const sentence of leftOut) tell(sentence);
  for (const warning of own?.warnings ?? []) if (own?.template) tell(formatProblem(warning));
  const template = own?.template ?? builtIn.template;
  const tags = new Set(['en', ...builtIn.languages.keys(), ...(own?.languages.keys() ?? [])]);
  const languages = [...tags].map((tag): PageLanguage => {
    const [usual, written] = [builtIn.languages.get(tag), own?.languages.get(tag)];
    if (!usual && written) tellMissing(join(folder ?? '', `${tag}.txt`), written.texts, tell);
    return {
      tag,
      direction: written?.direction ?? usual?.direction ?? 'ltr',
      texts: { ...builtIn.english, ...usual?.texts, ...(title === undefined ? {} : { title }), ...written?.texts },
    };
  });
  return { languages: new Map(languages.map((one) => [one.tag, one])), template, securityPolicy: securityPolicyFor(template), contact: contact ? linkTo(contact) : '', leftOut };
}

function completed(texts: WrittenTexts['texts']): Texts | undefined {
  return isComplete(texts) ? texts : undefined;
}

function isComplete(texts: WrittenTexts['texts']): texts is Texts {
  return textKeys.every((key) => texts[key] !== undefined);
}

function tellMissing(file: string, texts: WrittenTexts['texts'], tell: Tell): void {
  const missing = textKeys.filter((key) => texts[key] === undefined);
  if (missing.length > 0) tell(`${file}: ${missing.join(', ')}: not there, so English is used`);
}

function whatIsLeftOut(folder: string, { unreadable, problems }: FallbackFolder): readonly string[] {
  return [
    ...(unreadable === undefined ? [] : [`fallback.folder: ${folder}: ${unreadable}; the pages that come with goodgateway are used`]),
    ...problems.map((problem) => `${formatProblem(problem)}; this file is not used`),
  ];
}

/** Nothing but what stands in the page itself; its styles by their hashes. */
function securityPolicyFor({ styles }: Template): string {
  const hashes = styles.map((style) => `'sha256-${createHash('sha256').update(style).digest('base64')}'`);
  return `default-src 'none'; style-src ${hashes.length > 0 ? hashes.join(' ') : "'none'"}; img-src data:; font-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'self'`;
}
