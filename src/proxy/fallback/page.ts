/** The page for people: one file, no external resource, no script; light and dark; readable on a phone and aloud. */
import { createHash } from 'node:crypto';
import type { FallbackContent } from './content.ts';

const style = `
:root{color-scheme:light dark}
body{margin:0;min-height:100vh;display:grid;place-items:center;font:1.125rem/1.6 system-ui,sans-serif;color:#1d2430;background:#f6f7f9}
main{max-width:34rem;padding:2rem}
h1{font-size:1.75rem;line-height:1.25;margin:0 0 1rem}
p{margin:0 0 1rem}
.quiet{color:#525c6b;font-size:1rem}
code{font:inherit;letter-spacing:.05em}
@media (prefers-color-scheme:dark){body{color:#e6e9ee;background:#14181f}.quiet{color:#a3adba}}
`;
const styleHash = createHash('sha256').update(style).digest('base64');

/** Everything that comes from configuration or state is escaped here. */
export function renderPage(content: FallbackContent): { type: string; text: string; extra: readonly string[] } {
  const advice = content.mayHaveBeenProcessed
    ? 'What you sent may already have been processed. Please check before you send it again.'
    : content.refresh
      ? 'This page tries again by itself.'
      : 'What you sent was not processed. Please go back and send it again in a moment.';
  const text = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
${content.refresh ? `<meta http-equiv="refresh" content="${refreshSeconds(content.retryAfterSeconds)}">\n` : ''}<meta name="robots" content="noindex">
<title>${escapeHtml(content.title)}</title>
<style>${style}</style>
</head>
<body>
<main>
<h1>${escapeHtml(content.title)}</h1>
<p>${escapeHtml(content.sentence)}</p>
<p>${advice}</p>
<p class="quiet">If you ask for help, say this code: <code>${escapeHtml(content.code)}</code>${content.contact ? `<br>${escapeHtml(content.contact)}` : ''}</p>
</main>
</body>
</html>
`;
  return {
    type: 'text/html; charset=utf-8',
    text,
    extra: ['Content-Security-Policy', `default-src 'none'; style-src 'sha256-${styleHash}'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'`],
  };
}

/** Up to half as long again, so that not everybody comes back in the same second. */
function refreshSeconds(retryAfterSeconds: number): number {
  return Math.min(60, Math.max(2, Math.round(retryAfterSeconds * (1 + Math.random() / 2))));
}

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}
