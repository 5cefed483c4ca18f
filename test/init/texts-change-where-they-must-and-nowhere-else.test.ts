import t from 'tap';
import { parseNginx } from '../../src/doctor/nginx/parse-nginx.ts';
import { applyEdits, insideBlock, placeInText, takeBack } from '../../src/init/edit-text.ts';
import { unifiedDiff } from '../../src/init/unified-diff.ts';

t.test('a directive is found where the reader saw it, whatever else the line says', async (t) => {
  const text = 'http {\n  # fastcgi_pass a;\n  x "fastcgi_pass a;"; fastcgi_pass  a ; fastcgi_pass "b;c" more;\n}\n';
  const [http] = parseNginx(text, '');
  const [, first, second] = http?.block ?? [];
  const shown = (directive: typeof first): string | undefined => {
    const place = directive && placeInText(text, directive);
    return place && text.slice(place.start, place.end);
  };
  t.equal(shown(first), 'fastcgi_pass  a ;');
  t.equal(shown(second), 'fastcgi_pass "b;c" more;');
  t.equal(first && placeInText(text, { ...first, words: ['other'] }), undefined);
  t.equal(http && text.slice(0, insideBlock(text, http)), 'http {');
});

t.test('edits are taken back from a text that was changed elsewhere, and only where they still stand', async (t) => {
  const before = 'one\r\ntwo\tx\nthree';
  const { after, hunks } = applyEdits(before, [
    { start: 13, end: 13, to: '+' },
    { start: 5, end: 8, to: 'ZWEI' },
  ]);
  t.equal(after, 'one\r\nZWEI\tx\nth+ree');
  t.equal(takeBack(after, hunks), before);
  t.equal(takeBack(`# mine\n${after}\n`, hunks), `# mine\n${before}\n`);
  t.equal(takeBack(after.replace('ZWEI', 'zwei'), hunks), undefined);
});

t.test('a unified diff is what patch takes', async (t) => {
  const lines = (from: number, to: number): string => Array.from({ length: to - from + 1 }, (_, index) => `${from + index}\n`).join('');
  t.equal(unifiedDiff('f', 'a\n', 'a\n'), '');
  t.equal(unifiedDiff('f', undefined, 'a\nb\n'), '--- /dev/null\n+++ f\n@@ -0,0 +1,2 @@\n+a\n+b\n');
  t.equal(unifiedDiff('f', 'a\n', undefined), '--- f\n+++ /dev/null\n@@ -1,1 +0,0 @@\n-a\n');
  t.equal(unifiedDiff('f', 'a', 'a\n'), '--- f\n+++ f\n@@ -1,1 +1,1 @@\n-a\n\\ No newline at end of file\n+a\n');
  t.equal(
    unifiedDiff('f', lines(1, 20), lines(1, 20).replace('2\n', 'x\ny\n').replace('\n19\n', '\n')),
    '--- f\n+++ f\n@@ -1,5 +1,6 @@\n 1\n-2\n+x\n+y\n 3\n 4\n 5\n@@ -16,5 +17,4 @@\n 16\n 17\n 18\n-19\n 20\n',
  );
});
