import type { Placeholder } from '../../config/fallback-template.ts';
import type { FallbackContent, Rendered } from './content.ts';
import { escapeHtml } from './escape-html.ts';
import type { FallbackPages, PageLanguage } from './load-pages.ts';
import { wordingOf } from './wording.ts';

/** The page for people. Everything that is put into the template is escaped here, or was made as HTML by `linkTo`. */
export function renderPage(content: FallbackContent, { tag, direction, texts }: PageLanguage, pages: FallbackPages): Rendered {
  const { sentence, advice, time } = wordingOf(content, texts);
  const plain: Readonly<Record<Exclude<Placeholder, 'contact'>, string>> = { language: tag, direction, title: texts.title, sentence, advice, time, help: texts.help, code: content.code };
  let body = '';
  for (const piece of pages.template.pieces) {
    if (piece.kind === 'html') body += piece.html;
    else if (piece.name !== 'contact') body += escapeHtml(plain[piece.name]);
    else if (pages.contact !== '') body += `${escapeHtml(texts.contact)} ${pages.contact}`;
  }
  const { refreshSeconds } = content;
  return {
    type: 'text/html; charset=utf-8',
    body,
    headers: [
      'Content-Language',
      tag,
      'Content-Security-Policy',
      pages.securityPolicy,
      // a header, not a <meta>: so nobody's own page can forget it, or carry it to the answer to a POST
      ...(refreshSeconds === undefined ? [] : ['Refresh', String(refreshSeconds)]),
    ],
  };
}
