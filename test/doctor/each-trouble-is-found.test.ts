/** Each finding is planted in a clean host and found, alone; the clean host has none. */
import t from 'tap';
import { allChecks, copyStack, prepareStack } from './stack.ts';

const prepared = await prepareStack(t);

t.test('a clean host has no finding, and all of it was seen', async (t) => {
  const { findings, unseen } = await copyStack(t, prepared).examine();
  t.same(findings, []);
  t.same(unseen, [{ subject: 'slowest pages, largest headers', why: 'not measured: nothing on this host counts them' }]);
});
