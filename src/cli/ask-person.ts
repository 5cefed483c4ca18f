import { createInterface } from 'node:readline/promises';

/** A question that a person answers with y or n; Enter, and the end of the input, is `otherwise`. Only on a terminal. */
export async function askPerson(question: string, otherwise: boolean): Promise<boolean> {
  const reader = createInterface({ input: process.stdin, output: process.stdout });
  const ended = new AbortController();
  reader.once('close', () => ended.abort());
  try {
    const answer = (await reader.question(`${question} [${otherwise ? 'Y/n' : 'y/N'}] `, { signal: ended.signal })).trim().toLowerCase();
    return answer === '' ? otherwise : answer === 'y' || answer === 'yes';
  } catch {
    return otherwise;
  } finally {
    reader.close();
  }
}

/** Both ends are a terminal: somebody reads the question, and can answer. */
export function someoneIsThere(): boolean {
  return process.stdin.isTTY === true && process.stdout.isTTY === true;
}
