/** What a table is made of: rows that one proxy after another goes through, and the cells that goodgateway has to show. */
import type { TestScope } from '../../test/support/temp-folder.ts';
import type { Observation } from './cell.ts';
import type { Cells } from './expected.ts';
import type { Proxy } from './proxies/proxy.ts';

export interface Outcome {
  readonly row: string;
  /** `GET`, `POST`, or empty where a row is one request. */
  readonly part: string;
  readonly seen: Observation;
}

/** What a section's rows are played against: one proxy with a backend of its own. */
export interface Course {
  readonly scope: TestScope;
  readonly proxy: Proxy;
  /** Listener and backend are unix sockets: goodgateway only. */
  readonly unix: boolean;
  /** How often times are measured; the median is shown. */
  readonly rounds: number;
}

export interface Section {
  readonly id: string;
  readonly title: string;
  /** Said below the table. */
  readonly notes: readonly string[];
  readonly proxies: readonly Proxy[];
  /** One proxy after the other, because milliseconds are compared. */
  readonly oneByOne?: true;
  /** Everything from the start of the proxy on; what it started ends with the scope. */
  run(course: Course): Promise<readonly Outcome[]>;
  /** The right cells of goodgateway. */
  expected(outcome: Outcome, course: Pick<Course, 'proxy' | 'unix'>): Cells;
  /** What is wrong beside the cell, such as a wait that was too long. */
  late?(outcome: Outcome): string | undefined;
}
