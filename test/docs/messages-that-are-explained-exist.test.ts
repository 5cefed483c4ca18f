/** Each message that docs/troubleshooting.md explains stands in the source, so that nobody looks for one that never comes. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';

const root = join(import.meta.dirname, '../..');
const page = readFileSync(join(root, 'docs/troubleshooting.md'), 'utf8');

/** Programs' texts line by line, what differs from case to case as `…`. */
const lines = filesBelow('src', '.ts').flatMap((file) =>
  readFileSync(join(root, file), 'utf8')
    .replaceAll(/\$\{(?:[^{}`]|`[^`]*`|\{[^{}]*\})*\}/g, '…')
    .replaceAll("\\'", "'")
    .split('\n'),
);
const pageTexts = readFileSync(join(root, 'fallback/en.txt'), 'utf8');
const signatures = filesBelow('policies/signatures', '.yaml').map((file) => readFileSync(join(root, file), 'utf8')).join('\n');

t.test('messages of goodgateway are in its source', async (t) => {
  const messages = [...page.matchAll(/^#### (`.*`)$/gm)].flatMap(([, heading = '']) => [...heading.matchAll(/`([^`]+)`/g)].map(([, message = '']) => message));
  t.ok(messages.length > 30, `${messages.length} messages`);
  for (const message of messages) t.ok(stands(message), message);
});

t.test("sentences of the visitors' page are in its texts", async (t) => {
  const sentences = headings('A visitor\'s page');
  t.ok(sentences.length > 4);
  for (const sentence of sentences) t.ok(pageTexts.includes(sentence), sentence);
});

t.test("lines of nginx's log are known to explain", async (t) => {
  const known = headings("nginx's error log");
  t.ok(known.length > 4);
  for (const line of known) {
    const words = line.replace(/ while .*/, '').replace(/ \(\d.*|^connect\(\) to unix:\S+ /g, '').trim();
    t.ok(signatures.includes(words) || lines.some((one) => one.includes(words)), words);
  }
});

function headings(section: string): readonly string[] {
  const text = page.split(/^## /m).find((one) => one.startsWith(`${section}\n`)) ?? '';
  return [...text.matchAll(/^#### (.+)$/gm)].map(([, heading = '']) => heading);
}

/** In one line of the source, its parts in this order. */
function stands(message: string): boolean {
  const parts = message.split('…').filter((part) => part.trim() !== '');
  return lines.some((line) => {
    let at = 0;
    return parts.every((part) => {
      const found = line.indexOf(part, at);
      at = found + part.length;
      return found !== -1;
    });
  });
}

function filesBelow(folder: string, ending: string): readonly string[] {
  return readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith(ending))
    .map((name) => join(folder, name));
}
