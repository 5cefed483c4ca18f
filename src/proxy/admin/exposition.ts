/** The text that Prometheus reads. @see https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format */
import type { Histogram } from '../histogram.ts';

/** The content type of {@link expose}. */
export const expositionType = 'text/plain; version=0.0.4; charset=utf-8';

export type Labels = Readonly<Record<string, string>>;

export interface Sample {
  readonly labels?: Labels;
  readonly value: number;
  /** What follows the family's name: `_bucket`, `_sum`, `_count` of a histogram. */
  readonly suffix?: string;
}

/** One metric with all of its series. Its name, help and labels' names are our own; labels' values may be anything. */
export interface Family {
  readonly name: string;
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly help: string;
  readonly samples: readonly Sample[];
}

/** All families as text. A family without a sample is left out. */
export function expose(families: readonly Family[]): string {
  return families.map(exposeFamily).join('');
}

/** A histogram as the samples of one series: cumulative buckets, the sum in seconds, the count. */
export function histogramSamples({ bounds, counts, sumSeconds }: Histogram, labels: Labels): readonly Sample[] {
  let count = 0;
  const buckets = counts.map((inThis, place): Sample => {
    count += inThis;
    return { suffix: '_bucket', labels: { ...labels, le: bounds[place] === undefined ? '+Inf' : String(bounds[place]) }, value: count };
  });
  return [...buckets, { suffix: '_sum', labels, value: sumSeconds }, { suffix: '_count', labels, value: count }];
}

function exposeFamily({ name, type, help, samples }: Family): string {
  if (samples.length === 0) return '';
  const lines = samples.map(({ suffix = '', labels = {}, value }) => `${name}${suffix}${exposeLabels(labels)} ${value}\n`);
  return `# HELP ${name} ${help.replaceAll('\\', '\\\\').replaceAll('\n', '\\n')}\n# TYPE ${name} ${type}\n${lines.join('')}`;
}

function exposeLabels(labels: Labels): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${value.replaceAll('\\', '\\\\').replaceAll('\n', '\\n').replaceAll('"', '\\"')}"`);
  return pairs.length === 0 ? '' : `{${pairs.join(',')}}`;
}
