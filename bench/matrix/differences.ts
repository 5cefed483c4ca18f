/** Where goodgateway's cells are not the expected ones. */
import { cellsText, cellText, meets } from './cell.ts';
import type { Course, Outcome, Section } from './section.ts';

/** One sentence for each cell that differs; none for other proxies, of which nothing is expected. */
export function differences(section: Section, course: Pick<Course, 'proxy' | 'unix'>, outcomes: readonly Outcome[]): string[] {
  if (course.proxy.isGoodgateway !== true) return [];
  return outcomes.flatMap((outcome) => {
    const what = `${section.id} ${course.proxy.name}, ${outcome.row}${outcome.part === '' ? '' : `, ${outcome.part}`}`;
    const expected = section.expected(outcome, course);
    const wrong = meets(outcome.seen, expected) ? [] : [`${what}: expected ${cellsText(expected)}, got ${cellText(outcome.seen)}`];
    const late = section.late?.(outcome);
    return late === undefined ? wrong : [...wrong, `${what}: ${late}`];
  });
}
