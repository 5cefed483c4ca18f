/** What the documentation shows, as tests run it: code blocks, with the paths of a test instead of those of a host. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { startNginx, type Nginx } from './nginx.ts';
import { freePort } from './ports.ts';
import type { TestScope } from './temp-folder.ts';

/** The code blocks of one language in a file of the project, without the indentation of a list around them. */
export function documentedBlocks(file: string, language: string): readonly string[] {
  const text = readFileSync(join(import.meta.dirname, '../..', file), 'utf8');
  return [...text.matchAll(new RegExp(`^( *)\`\`\`${language}\\n([\\s\\S]*?)^\\1\`\`\`$`, 'gm'))].map(([, indent = '', block = '']) => block.replaceAll(new RegExp(`^${indent}`, 'gm'), ''));
}

/** Runs a whole nginx block, upstreams and servers, with other words in some places. `url` leads to its servers. */
export async function startDocumentedNginx(t: TestScope, block: string, replace: Readonly<Record<string, string>>): Promise<Nginx> {
  const port = await freePort();
  const http = replaced(block, { 'listen 80;': `listen 127.0.0.1:${port};`, ...replace });
  const nginx = await startNginx(t, { http, server: '' });
  return { ...nginx, port, url: `http://127.0.0.1:${port}` };
}

/** Throws when the documentation does not show what is to be replaced: it has changed, and so must the test. */
function replaced(block: string, replace: Readonly<Record<string, string>>): string {
  return Object.entries(replace).reduce((text, [from, to]) => {
    if (!text.includes(from)) throw new Error(`the documentation does not show ${from} any more`);
    return text.replaceAll(from, to);
  }, block);
}

/** The replacements that every FastCGI block needs. */
export function phpPlaces(docroot: string): Readonly<Record<string, string>> {
  return { 'root /var/www/html;': '', $document_root: docroot, 'include fastcgi_params;': 'include /etc/nginx/fastcgi_params;' };
}
