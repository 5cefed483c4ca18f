import { chmodSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import t from 'tap';
import { formatProblem } from '../../../src/config/problem.ts';
import { parseTemplate, placeholders } from '../../../src/config/fallback-template.ts';
import { parseTexts, textKeys } from '../../../src/config/fallback-texts.ts';
import { readFallbackFolder } from '../../../src/config/read-fallback-folder.ts';
import type { FallbackContent } from '../../../src/proxy/fallback/content.ts';
import { loadPages, readBuiltIn } from '../../../src/proxy/fallback/load-pages.ts';
import { renderPage } from '../../../src/proxy/fallback/page.ts';
import { renderProblem } from '../../../src/proxy/fallback/problem.ts';
import { finish } from '../../support/program.ts';
import { isRoot } from '../../support/skip.ts';
import { tempFolder, type TestScope } from '../../support/temp-folder.ts';
import { gatewayInFront, navigation } from './gateway-in-front.ts';

const root = join(import.meta.dirname, '../../..');
const said: string[] = [];
const builtIn = await readBuiltIn((message) => void said.push(message));
const needed = '<p>{{sentence}} {{advice}} {{code}}</p>';

function folderWith(t: TestScope, files: Readonly<Record<string, string | Buffer>>): string {
  const folder = tempFolder(t, 'gg-page');
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
  return folder;
}

async function found(folder: string) {
  const { problems, warnings } = await readFallbackFolder(folder);
  return [...problems, ...warnings].map((one) => formatProblem(one).slice(folder.length + 1));
}

t.test('what comes with goodgateway is complete in every language, and has nothing to complain about', async (t) => {
  t.same(said, []);
  t.same([...builtIn.languages.keys()].sort(), ['ar', 'de', 'en', 'es', 'fr', 'zh']);
  t.same(await found(join(root, 'fallback')), []);
  for (const [language, { texts }] of builtIn.languages) t.same(Object.keys(texts).sort(), [...textKeys].sort(), language);
});

t.test("the administrator's page and texts go over ours; what is not there is ours", async (t) => {
  const folder = folderWith(t, {
    'page.html': `<!doctype html><html lang="{{language}}"><style>p{color:red}</style><h1>{{ title }}</h1>${needed}\r\n<p>{{contact}}</p>`,
    'de.txt': '# nur eines\r\n\r\ntitle: Gleich: wieder da\r\n',
    'pt-BR.txt': '\ufefftitle: Voltamos já\nunavailable: O site não está disponível.\n',
    'he.txt': 'direction: rtl\n',
    'README.md': 'not read',
  });
  const { ask, gateway, warnings } = await gatewayInFront(t, { fallback: { folder, title: 'Shop <closed>', contact: 'help@shop.example' } });
  gateway.gate.fallBack({ until: 'order', say: '' });
  const page = async (language: string) => (await ask({ ...navigation, 'accept-language': language })).body;
  t.match(await page('de'), '<h1>Gleich: wieder da</h1><p>Die Seite ist im Moment nicht erreichbar. Diese Seite versucht');
  t.match(await page('pt-BR'), /<html lang="pt-BR">.*<h1>Voltamos já<\/h1><p>O site não está disponível\. This page tries again/s);
  t.match(await page('fr'), /<h1>Shop &#60;closed&#62;<\/h1>.*Contact : <a href="mailto:help@shop.example">/s);
  t.match((await ask({ ...navigation, 'accept-language': 'he' })).headers, { 'content-language': 'he' });
  const { headers } = await ask(navigation);
  t.match(headers['content-security-policy'], /^default-src 'none'; style-src 'sha256-[\w+/]+=*'; img-src data:/);
  t.match(warnings, [/\/he\.txt: title, .*: not there, so English is used$/, /\/pt-BR\.txt: slow, .* so English is used$/]);
});

t.test('every mistake is told with its place, the file is left out, and traffic goes on', async (t) => {
  const folder = folderWith(t, {
    'page.html': `<h1>{{titel}}</h1>\n  {{ title\n${needed}<a title={{code}}></a><b title="{{contact}}"></b>\n<style>p{color:{{code}}}</style><meta http-equiv="refresh" content="1">`,
    'de.txt': 'title: Gut\nunavailabel: x\nno colon\n  time: lange\nhelp: {{code}}\ntitle: again\nslow:\ndirection: up\nrefresh: {{duration}} {{code}}\n',
    'fr.txt': Buffer.from('title: caf\xe9\n', 'latin1'),
    'es.txt': `# ${'x'.repeat(65 * 1024)}\n`,
    'deutsch.txt': 'title: x\n',
    'index.html': needed,
  });
  mkdirSync(join(folder, 'it.txt'));
  t.same(await found(folder), [
    'de.txt:2:1: there is no sentence `unavailabel`: did you mean `unavailable`?',
    'de.txt:3:1: expected `name: sentence`, and there is no colon; a sentence may not go on in the next line',
    'de.txt:4:8: time: expected {{duration}} in it',
    'de.txt:5:7: help: no {{…}} has a meaning here',
    'de.txt:6:1: title: it is there twice',
    'de.txt:7:6: slow: expected a sentence after the colon; leave the line out for the usual one',
    'de.txt:8:11: direction: expected ltr or rtl',
    'de.txt:9:10: refresh: the only one that has a meaning here is {{duration}}',
    'deutsch.txt:1:1: expected page.html, or a language as browsers name it, such as de.txt or pt-BR.txt',
    'es.txt:1:1: expected at most 64 KiB, and the file has 66563 bytes',
    'fr.txt:1:1: expected UTF-8 text',
    'index.html:1:1: expected page.html, or a language as browsers name it, such as de.txt or pt-BR.txt',
    'it.txt:1:1: expected a file, and this is none',
    'page.html:1:5: there is no {{titel}}: did you mean {{title}}?',
    'page.html:2:3: expected `}}` after `{{` in the same line',
    'page.html:3:49: {{code}} inside a tag stands in quotes, as in lang="{{language}}"',
    'page.html:3:72: {{contact}} may not stand inside a tag: it is a link already',
    'page.html:4:16: {{code}} may not stand in <style> or <script>',
    'page.html:4:33: a page for a POST would repeat itself, too: leave the refresh out, the answer to a GET carries it as a header',
  ]);
  const { ask, gateway, warnings } = await gatewayInFront(t, { fallback: { folder } });
  gateway.gate.fallBack({ until: 'order', say: '' });
  t.match((await ask({ ...navigation, 'accept-language': 'de' })).body, '<h1 dir="auto">Wir sind gleich wieder da</h1>');
  t.equal(warnings.length, 19);
  t.match(warnings[0], `${folder}/de.txt:2:1: there is no sentence \`unavailabel\`: did you mean \`unavailable\`?; this file is not used`);
});

t.test('a folder that cannot be read is told, and our pages are used', async (t) => {
  const [closed, broken] = [folderWith(t, { 'de.txt': 'title: x\n' }), folderWith(t, {})];
  symlinkSync('/nowhere/at/all', join(broken, 'page.html'));
  t.same(await found(broken), ['page.html:1:1: there is no such file']);
  const cases: readonly (readonly [string, RegExp])[] = [
    ['/no/such/folder', /fallback\.folder: \/no\/such\/folder: there is no such folder; the pages that come with goodgateway are used/],
    [join(closed, 'de.txt'), /expected a folder, and this is none/],
    ...(isRoot ? [] : ([[closed, /this user may not read the folder/]] as const)),
  ];
  chmodSync(closed, isRoot ? 0o755 : 0o000);
  for (const [folder, message] of cases) {
    const { ask, gateway, warnings } = await gatewayInFront(t, { fallback: { folder } });
    gateway.gate.fallBack({ until: 'order', say: '' });
    t.match((await ask(navigation)).body, 'be right back</h1>', folder);
    t.match(warnings, [message]);
  }
  chmodSync(closed, 0o755);
});

t.test('what the Content-Security-Policy blocks, and what is missing, is a warning at its place', async (t) => {
  const page = (html: string): readonly string[] => {
    const parsed = parseTemplate('page.html', html);
    t.same(parsed.problems, [], html);
    return parsed.warnings.map((one) => `${one.line}:${one.column} ${one.message}`);
  };
  t.match(page(`${needed}\n<script>alert(1)</script>`), [/^2:1 a script does not run/]);
  t.match(page(`${needed}<p onclick="x()">`), [/a script does not run/]);
  t.match(page(`${needed}<p style="color:red">`), [/style= attribute is ignored/]);
  t.match(page(`${needed}<form action="/x">`), [/form cannot be sent/]);
  t.match(page(`${needed}<img alt="" src="/logo.png">`), [/nothing is fetched .*data: address/]);
  t.match(page(`${needed}<link rel="stylesheet" href='style.css'>`), [/nothing is fetched/]);
  t.match(page(`${needed}<style>p{background:url(x.png)}</style>`), [/nothing is fetched/]);
  t.match(page('<h1>{{title}}</h1>{{code}}'), [/^1:1 the page has no \{\{sentence\}\}: it does not say what happened; the page has no \{\{advice\}\}/]);
  t.same(page(`${needed}<img alt="" src="data:,"><a href="https://status.example">status</a><style>@media print{p{color:red}}</style><!-- {{title}} -->`), []);
});

t.test('nothing that is configured or told can leave its place in the page', async () => {
  const nasty = fc.oneof(
    fc.string({ maxLength: 80 }),
    fc
      .array(fc.constantFrom('<', '>', '"', "'", '&', '</p>', '<script>', '{{', '}}', '{{code}}', '$&', '$1', 'https://', 'a@b.c', ' onload=', '\u202e', '\0'), { maxLength: 12 })
      .map((parts) => parts.join('')),
  );
  const content = (code: string): FallbackContent => ({
    status: 503,
    kind: 'connection_refused',
    details: undefined,
    ownWords: code,
    sentences: ['unavailable', 'repairing'],
    advice: ['not_processed'],
    mayHaveBeenProcessed: false,
    code,
    retryAfterSeconds: 1,
    refreshSeconds: undefined,
    usual: { seconds: 3, exceeded: true },
  });
  const tagsOf = (html: string): readonly string[] => html.match(/<[^>]*>/g) ?? [];
  const withoutContact = await loadPages({ status: 'unavailable' }, builtIn, () => undefined);
  const english = withoutContact.languages.get('en')!;
  const usual = tagsOf(renderPage(content('X'), english, withoutContact).body);
  await fc.assert(
    fc.asyncProperty(nasty, nasty, nasty, async (title, contact, sentence) => {
      const pages = await loadPages({ status: 'unavailable', title, contact }, builtIn, () => undefined);
      const language = { ...pages.languages.get('en')!, texts: { ...pages.languages.get('en')!.texts, unavailable: sentence, time: sentence, help: sentence } };
      const { body } = renderPage(content(sentence), language, pages);
      const tags = tagsOf(body).filter((tag) => !/^<\/?(bdi|a)\b/.test(tag));
      const links = tagsOf(body).filter((tag) => tag.startsWith('<a'));
      const problem: unknown = JSON.parse(renderProblem(content(sentence), language).body);
      return tags.join() === usual.join() && links.every((tag) => /^<a href="(https?:\/\/|mailto:)[^"<>]*">$/i.test(tag)) && typeof problem === 'object';
    }),
    { numRuns: 300 },
  );
});

t.test('any bytes as a page or as texts are read to an end, and what is used has no braces left', async () => {
  const piece = fc.oneof(
    fc.string(),
    fc.constantFrom('{{', '}}', '{{title}}', '<', '>', '"', "'", '<style>', '</style>', '<p a="', '\n', ':', 'title: x', ...placeholders.map((name) => `{{${name}}}`)),
  );
  fc.assert(
    fc.property(
      fc.array(piece, { maxLength: 40 }).map((pieces) => pieces.join('')),
      (text) => {
        const { template, problems } = parseTemplate('page.html', text);
        const html = template.pieces.map((one) => (one.kind === 'html' ? one.html : `{{${one.name}}}`)).join('');
        const { problems: wrong } = parseTexts('de.txt', text);
        return (
          (problems.length > 0 || !template.pieces.some((one) => one.kind === 'html' && one.html.includes('{{'))) &&
          [...problems, ...wrong].every((one) => one.line >= 1 && one.column >= 1) &&
          (problems.length > 0 || html.replace(/\s/g, '') === text.replace(/\s/g, ''))
        );
      },
    ),
    { numRuns: 500 },
  );
});

t.test('a translator who leaves a sentence out is told, and readers get English', async (t) => {
  const folder = tempFolder(t, 'gg-page');
  for (const name of readdirSync(join(root, 'fallback'))) symlinkSync(join(root, 'fallback', name), join(folder, name));
  writeFileSync(join(folder, 'it.txt'), 'title: Torniamo subito\n');
  writeFileSync(join(folder, 'nl.txt'), 'titel: Zo terug\n');
  const told: string[] = [];
  const pages = await loadPages({ status: 'unavailable' }, await readBuiltIn((message) => void told.push(message), folder), () => undefined);
  t.match(pages.languages.get('it'), { tag: 'it', direction: 'ltr', texts: { title: 'Torniamo subito', slow: 'The site takes too long to answer at the moment.' } });
  t.match(told, [/\/nl\.txt:1:1: there is no sentence `titel`: did you mean `title`\?; this file is not used$/, /\/it\.txt: unavailable, slow, .*: not there, so English is used$/]);
  await t.rejects(
    readBuiltIn(() => undefined, '/no/such/folder'),
    { message: 'install goodgateway again: /no/such/folder: there is no such folder' },
  );
});

t.test('check warns of a folder that cannot be used, and of every mistake in it', async (t) => {
  const folder = folderWith(t, { 'page.html': `${needed}{{nothing}}`, 'de.txt': 'titel: x\n' });
  const config = join(folder, 'goodgateway.yaml');
  const check = async (place: string) => {
    const gateway = `{ listen: unix:/run/shop.sock, protocol: http, upstream: 127.0.0.1:8080, service: shop, fallback: { folder: ${place} } }`;
    writeFileSync(config, `version: 1\ngateways:\n  shop: ${gateway}\npolicies: [shop.yaml]\n`);
    writeFileSync(join(folder, 'shop.yaml'), 'version: 1\nname: shop\nmode: observe\nservice: { type: external }\n');
    return finish([process.execPath, join(root, 'src/cli/main.ts'), 'check', config]);
  };
  const wrong = await check(folder);
  t.match(wrong.output, /page\.html:1:\d+: warning: there is no \{\{nothing\}\}: expected one of language, .*; this file is not used\n/);
  t.match(wrong.output, /de\.txt:1:1: warning: there is no sentence `titel`: did you mean `title`\?; this file is not used\n/);
  t.match(wrong.output, /goodgateway\.yaml: fine \(1 gateway, 1 policy\), but with [23] warnings\n$/, 'as root, one of them is about that');
  t.equal(wrong.code, 0, 'goodgateway would run');
  t.match((await check('/no/such')).output, /goodgateway\.yaml:3:\d+: warning: folder: \/no\/such: there is no such folder, so the pages that come with goodgateway are used\n/);
});
