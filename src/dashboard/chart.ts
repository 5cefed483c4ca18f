/**
 * Charts of the last ten minutes as SVG, drawn here: lines, and bars of kinds on top of one another. Each is a picture
 * with a sentence that says it, and a table with its numbers by the minute.
 */
import { el, fill, setAttributes, setText, svg } from './dom.ts';
import { mostBuckets } from './history.ts';

export interface Series {
  readonly name: string;
  /** Which colour of the style sheet: `s1` … `s5`. */
  readonly colour: string;
  /** One for each bucket, oldest first; `undefined` where nothing is known. */
  readonly values: readonly (number | undefined)[];
}

export interface Drawing {
  readonly series: readonly Series[];
  /** Read aloud, and shown under the title. */
  readonly sentence: string;
  readonly format: (value: number) => string;
}

export interface Chart {
  readonly element: HTMLElement;
  draw(drawing: Drawing): void;
}

const [width, height] = [mostBuckets * 5, 100];
const perMinute = 12;

/** `stacked`: bars on top of one another; else lines over the same ground. */
export function createChart(title: string, kind: 'lines' | 'stacked'): Chart {
  const says = el('p', { class: 'says' });
  const top = el('span', { class: 'top', 'aria-hidden': 'true' });
  const picture = svg('svg', { viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: 'none', role: 'img' });
  const legend = el('ul', { class: 'legend' });
  const table = el('table');
  const details = el('details', { class: 'numbers' }, el('summary', {}, 'As numbers'), el('div', { class: 'scrolls', tabindex: 0, role: 'region', 'aria-label': `${title}, as numbers` }, table));
  const plot = el('div', { class: 'plot', dir: 'ltr' }, top, picture);
  const axis = el('div', { class: 'axis', dir: 'ltr', 'aria-hidden': 'true' }, el('span', {}, '10 min ago'), el('span', {}, '5 min'), el('span', {}, 'now'));
  const element = el('figure', { class: 'chart' }, el('figcaption', {}, el('h3', {}, title), says), plot, axis, legend, details);
  let last: Drawing | undefined;
  details.addEventListener('toggle', () => last && drawTable(table, last));
  return {
    element,
    draw: (drawing) => {
      last = drawing;
      const most = highest(drawing.series, kind);
      const ceiling = niceCeiling(most);
      setText(says, drawing.sentence);
      setText(top, drawing.format(ceiling));
      setAttributes(picture, { 'aria-label': `${title}: ${drawing.sentence}` });
      fill(picture, svg('path', { class: 'grid', d: `M0 .5H${width}M0 ${height / 2}H${width}M0 ${height - 0.5}H${width}` }), ...shapes(drawing.series, kind, ceiling));
      drawLegend(legend, drawing.series);
      if (details.open) drawTable(table, drawing);
    },
  };
}

/** A line of the last ten minutes, small enough for a card; failures are marked. Says nothing aloud: the numbers beside it do. */
export function sparkline(answered: readonly number[], failed: readonly number[]): SVGSVGElement {
  const ceiling = Math.max(1, ...answered, ...failed);
  const series = [
    { name: 'answered', colour: 's1', values: answered },
    { name: 'failed', colour: 'bad', values: failed },
  ];
  return svg(
    'svg',
    { class: 'spark', viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: 'none', 'aria-hidden': 'true' },
    ...shapes(series.slice(0, 1), 'lines', ceiling),
    ...shapes(series.slice(1), 'stacked', ceiling),
  );
}

function highest(series: readonly Series[], kind: 'lines' | 'stacked'): number {
  if (kind === 'lines') return Math.max(0, ...series.flatMap(({ values }) => values.map((value) => value ?? 0)));
  return Math.max(0, ...Array.from({ length: mostBuckets }, (_, index) => series.reduce((sum, { values }) => sum + (values[index] ?? 0), 0)));
}

/** 1, 2 or 5 times a power of ten, so that the axis reads easily and does not jump with each number. */
function niceCeiling(value: number): number {
  if (value <= 1) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  return ([1, 2, 5, 10].find((step) => step * power >= value) ?? 10) * power;
}

function shapes(series: readonly Series[], kind: 'lines' | 'stacked', ceiling: number): readonly SVGPathElement[] {
  const y = (value: number): number => Math.round((height - (value / ceiling) * (height - 2)) * 10) / 10;
  if (kind === 'lines') return series.flatMap(({ values, colour }) => linesOf(values, y).map((d) => svg('path', { class: `line ${colour}`, d })));
  const below = Array.from({ length: mostBuckets }, () => 0);
  return series.map(({ values, colour }) => {
    const bars = values.map((value = 0, index) => {
      const from = below[index] ?? 0;
      below[index] = from + value;
      return value > 0 ? `M${index * 5} ${y(from)}V${y(from + value)}h5V${y(from)}z` : '';
    });
    return svg('path', { class: `bar ${colour}`, d: bars.join('') });
  });
}

/** One path for each stretch without a gap. */
function linesOf(values: readonly (number | undefined)[], y: (value: number) => number): readonly string[] {
  const paths: string[] = [];
  let path = '';
  values.forEach((value, index) => {
    if (value === undefined) {
      if (path !== '') paths.push(path);
      path = '';
    } else path += `${path === '' ? 'M' : 'L'}${index * 5 + 2.5} ${y(value)}`;
  });
  return path === '' ? paths : [...paths, path];
}

function drawLegend(legend: HTMLUListElement, series: readonly Series[]): void {
  const names = series.map(({ name, colour }) => `${colour} ${name}`).join('\n');
  if (legend.dataset['names'] === names) return;
  legend.dataset['names'] = names;
  fill(legend, ...series.map(({ name, colour }) => el('li', {}, el('span', { class: `swatch ${colour}`, 'aria-hidden': 'true' }), name)));
}

/** The highest of each minute, newest first. */
function drawTable(table: HTMLTableElement, { series, format }: Drawing): void {
  const rows = Array.from({ length: mostBuckets / perMinute }, (_, minute) => {
    const to = mostBuckets - minute * perMinute;
    const cells = series.map(({ values }) => {
      const known = values.slice(to - perMinute, to).filter((value) => value !== undefined);
      return el('td', {}, known.length > 0 ? format(Math.max(...known)) : '–');
    });
    return el('tr', {}, el('th', { scope: 'row' }, minute === 0 ? 'now' : `${minute} min ago`), ...cells);
  });
  const head = el('tr', {}, el('th', { scope: 'col' }, 'When'), ...series.map(({ name }) => el('th', { scope: 'col' }, `${name}, at most`)));
  fill(table, el('thead', {}, head), el('tbody', {}, ...rows));
}
