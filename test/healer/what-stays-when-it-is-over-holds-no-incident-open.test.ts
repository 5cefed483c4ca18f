import t from 'tap';
import type { CauseName, Confidence } from '../../src/core/diagnosis.ts';
import { isOnlyTheSymptom } from '../../src/healer/looks-well.ts';

const suspect = (cause: CauseName, confidence: Confidence) => ({ cause, confidence, subject: 'shop', sentence: '', because: ['a line of its log'], against: [], remedy: '' });

for (const cause of ['capacity.workers_exhausted', 'capacity.file_descriptors', 'limit.tenant', 'capacity.backlog_full'] as const)
  t.test(`${cause} holds an incident open only where more than a line of a log, or a number, says so`, (t) => {
    t.ok(isOnlyTheSymptom(suspect(cause, 'possible'), 'the symptom'));
    t.notOk(isOnlyTheSymptom(suspect(cause, 'likely'), 'the symptom'));
    t.notOk(isOnlyTheSymptom(suspect(cause, 'certain'), 'the symptom'));
    t.end();
  });
