import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { parse } from 'yaml';
import { policySchema } from '../../../src/config/policy-schema.ts';
import { sayPolicy } from '../../../src/healer/policy/say-policy.ts';

const say = (changes: object): readonly string[] => sayPolicy(policySchema.parse({ version: 1, name: 'shop', mode: 'act', service: { type: 'external' }, ...changes }));

t.test('a rule is one sentence: when, how sure, for how long, what is tried, what never', async (t) => {
  const rule = (changes: object): string | undefined => say({ rules: [{ name: 'Full', when: { cause: 'app.slow' }, try: [{ do: 'page' }], ...changes }] })[1];
  const rows: readonly (readonly [object, string])[] = [
    [{}, 'Full: when the cause is app.slow, at least likely, tell a person.'],
    [{ when: { cause: ['app.slow', 'load.cpu', 'load.io'], confidence: 'certain' } }, 'Full: when the cause is app.slow, load.cpu or load.io, and certain, tell a person.'],
    [{ when: { cause: 'unknown', lasting: '2m' } }, 'Full: when the cause is unknown, for 2 min, tell a person.'],
    [{ when: { cause: 'app.slow', confidence: 'possible' } }, 'Full: when the cause is app.slow, tell a person.'],
    [{ never: ['reload', 'restart', 'stop'] }, 'Full: when the cause is app.slow, at least likely, tell a person. Never reload, restart or stop.'],
    [
      {
        try: [
          { do: 'wait', with: { at_most: '15s' }, attempts: 4 },
          { do: 'shed_load', with: { keep: '80%', retry_after: '15s' } },
        ],
      },
      'Full: when the cause is app.slow, at least likely, wait (at most 15s), up to 4 times; then shed load (keep 80%, retry after 15s).',
    ],
    // as the options are when their actions have read them
    [
      {
        try: [
          { do: 'terminate_orphans', with: { grace: 2000 } },
          { do: 'shed_load', with: { keep: 0.8, retry_after: 15_000 } },
        ],
      },
      'Full: when the cause is app.slow, at least likely, end orphaned workers (grace 2 s); then shed load (keep 80%, retry after 15 s).',
    ],
    [
      { try: [{ do: 'restart', approval: { from: ['ops'] }, first: ['disk_free'] }], notify: ['ops'] },
      'Full: when the cause is app.slow, at least likely, ask ops, then restart after a look at the disk. ops is told.',
    ],
  ];
  for (const [changes, sentence] of rows) t.equal(rule(changes), sentence);
});

t.test('what holds for all rules is said once', async (t) => {
  t.same(say({ never: ['stop'], depends_on: ['db'], mode: 'observe', give_up: { retry_after: '30m' } }), [
    'It only watches: what it would do is written down, and nothing is done.',
    'No rule fits: tell a person.',
    'Whatever the cause: never stop.',
    'It needs db: while one of them has an open incident, this service is not disturbed.',
    'At most 3 attempts in 1 h, and 1 min of quiet between incidents.',
    'It counts as well when its check passes within 30 s, and for 20 s.',
    'When nothing helped: tell a person, and try once more after 30 min.',
  ]);
});

t.test('every ready policy can be read aloud, a sentence a rule', async (t) => {
  const folder = join(import.meta.dirname, '../../../policies');
  for (const file of readdirSync(folder).filter((name) => name.endsWith('.yaml'))) {
    const policy = policySchema.safeParse(parse(readFileSync(join(folder, file), 'utf8')));
    if (!policy.success) continue;
    const sentences = sayPolicy(policy.data);
    t.ok(sentences.length > policy.data.rules.length, file);
    t.same(
      sentences.filter((sentence) => /undefined|null|\[object|_/.test(sentence.replaceAll(/\b[a-z]+\.[a-z_]+\b/g, ''))),
      [],
      file,
    );
  }
});
