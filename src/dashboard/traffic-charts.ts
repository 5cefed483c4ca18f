/** The four charts of the overview: what was answered, what failed and how, who waits, how long an answer takes. */
import { createChart, type Series } from './chart.ts';
import { el } from './dom.ts';
import { formatCount, formatLatency, plural } from './format.ts';
import { bucketMs, failuresByKind, mostBuckets, rateNow, type Bucket, type History } from './history.ts';

export interface TrafficCharts {
  readonly element: HTMLElement;
  draw(history: History, gateways: readonly string[]): void;
}

/** More kinds than colours that can be told apart are one. */
const namedKinds = 4;
const everything = '';

export function createTrafficCharts(): TrafficCharts {
  const answered = createChart('Answers per second', 'lines');
  const failed = createChart('Failures, by kind', 'stacked');
  const waiting = createChart('Waiting, and in the backend', 'lines');
  const latency = createChart('Time to an answer', 'lines');
  const chooser = el('select', { id: 'chosen' });
  const label = el('p', { class: 'chooser', hidden: true }, el('label', { for: 'chosen' }, 'Gateway '), chooser);
  const grid = el('div', { class: 'charts' }, answered.element, failed.element, waiting.element, latency.element);
  const element = el('section', { 'aria-labelledby': 'traffic' }, el('h2', { id: 'traffic' }, 'The last ten minutes'), label, grid);
  let last: History | undefined;

  const drawAll = (): void => {
    if (!last) return;
    const gateway = chooser.value === everything ? undefined : chooser.value;
    const buckets = spread(last.of(gateway), last.now());
    const known = buckets.filter((bucket) => bucket !== undefined);
    answered.draw({ series: [line('answers', 's1', buckets, perSecond)], sentence: `${formatCount(rateNow(known))} answers a second now.`, format: formatCount });
    failed.draw(failuresDrawing(buckets, known));
    const newest = known.at(-1);
    waiting.draw({
      series: [line('waiting', 's2', buckets, ({ held }) => held), line('in the backend', 's1', buckets, ({ inFlight }) => inFlight)],
      sentence: `${formatCount(newest?.held ?? 0)} waiting, ${formatCount(newest?.inFlight ?? 0)} in the backend now.`,
      format: formatCount,
    });
    latency.draw({
      series: [line('19 of 20 answers within', 's2', buckets, ({ p95 }) => p95), line('half of the answers within', 's1', buckets, ({ p50 }) => p50)],
      sentence: newest?.p50 === undefined ? 'Nothing was answered just now.' : `Half within ${formatLatency(newest.p50)}, 19 of 20 within ${formatLatency(newest.p95)}.`,
      format: formatLatency,
    });
  };
  chooser.addEventListener('change', drawAll);
  return {
    element,
    draw: (history, gateways) => {
      last = history;
      offer(chooser, gateways);
      label.hidden = gateways.length < 2;
      drawAll();
    },
  };
}

function offer(chooser: HTMLSelectElement, gateways: readonly string[]): void {
  const wanted = [everything, ...gateways];
  if (wanted.join('\n') === [...chooser.options].map(({ value }) => value).join('\n')) return;
  const { value } = chooser;
  chooser.replaceChildren(...wanted.map((name) => el('option', { value: name }, name === everything ? 'all together' : name)));
  chooser.value = wanted.includes(value) ? value : everything;
}

/** One place for each five seconds of the ten minutes; those of which nothing is known stay empty. */
export function spread(buckets: readonly Bucket[], now: number): readonly (Bucket | undefined)[] {
  const places = Array.from({ length: mostBuckets }, (): Bucket | undefined => undefined);
  for (const bucket of buckets) {
    const index = mostBuckets - 1 - (now - bucket.at);
    if (index >= 0) places[index] = bucket;
  }
  return places;
}

function line(name: string, colour: string, buckets: readonly (Bucket | undefined)[], of: (bucket: Bucket) => number | undefined): Series {
  return { name, colour, values: buckets.map((bucket) => bucket && of(bucket)) };
}

function perSecond({ answered, seconds }: Bucket): number | undefined {
  return seconds > 0 ? answered / seconds : undefined;
}

function failuresDrawing(buckets: readonly (Bucket | undefined)[], known: readonly Bucket[]): Parameters<ReturnType<typeof createChart>['draw']>[0] {
  const kinds = failuresByKind(known);
  const named = kinds.slice(0, namedKinds).map(([kind]) => kind);
  const total = kinds.reduce((sum, [, count]) => sum + count, 0);
  const series = named.map((kind, index) => line(kind.replaceAll('_', ' '), `k${index + 1}`, buckets, ({ failed }) => failed.get(kind) ?? 0));
  const others = line('other kinds', 'k5', buckets, ({ failed }) => [...failed].reduce((sum, [kind, count]) => sum + (named.includes(kind) ? 0 : count), 0));
  const sentence = total === 0 ? 'No failures.' : `${plural(total, 'failure')}: ${kinds.map(([kind, count]) => `${formatCount(count)} × ${kind.replaceAll('_', ' ')}`).join(', ')}.`;
  return { series: kinds.length > namedKinds ? [...series, others] : series, sentence, format: (value) => `${formatCount(value)} in ${bucketMs / 1000} s` };
}
