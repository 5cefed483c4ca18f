/** Reads what Prometheus would read, and is as strict: the test fails on text that it would not take. */

export interface Metric {
  readonly type: string;
  readonly help: string;
  /** By name and labels as they are written: `goodgateway_held{gateway="app"}`. */
  readonly series: ReadonlyMap<string, number>;
}

const typeLine = /^# TYPE ([a-z_]+) (counter|gauge|histogram)$/;
const helpLine = /^# HELP ([a-z_]+) (\S.*\.)$/;
const sampleLine = /^([a-z_]+)((?:\{(?:[a-z_]+="(?:[^"\\\n]|\\["\\n])*",?)+\})?) (\+Inf|-?[0-9.]+(?:e[+-]?[0-9]+)?)$/;

/** All metrics by name. Throws at the first line that is wrong, and at a histogram that does not add up. */
export function readExposition(text: string): ReadonlyMap<string, Metric> {
  if (!text.endsWith('\n')) throw new Error('the last line does not end');
  const metrics = new Map<string, { type: string; help: string; series: Map<string, number> }>();
  let current = '';
  let help: string | undefined;
  for (const line of text.slice(0, -1).split('\n')) {
    const [, helped, words] = helpLine.exec(line) ?? [];
    const [, typed, type] = typeLine.exec(line) ?? [];
    const [, name = '', labels = '', value] = sampleLine.exec(line) ?? [];
    if (helped !== undefined && !metrics.has(helped)) [current, help] = [helped, words];
    else if (typed !== undefined && typed === current && help !== undefined) {
      metrics.set(current, { type: type!, help, series: new Map() });
      help = undefined;
    } else {
      const metric = metrics.get(current);
      const suffix = name.startsWith(current) ? name.slice(current.length) : '?';
      const isKnown = metric && (metric.type === 'histogram' ? ['_bucket', '_sum', '_count'].includes(suffix) : suffix === '');
      if (!isKnown || value === undefined || metric.series.has(name + labels)) throw new Error(`not as Prometheus wants it: ${line}`);
      metric.series.set(name + labels, Number(value === '+Inf' ? Infinity : value));
    }
  }
  for (const [name, metric] of metrics) check(name, metric);
  return metrics;
}

function check(name: string, { type, series }: Metric): void {
  if ((type === 'counter') !== name.endsWith('_total')) throw new Error(`${name}: only counters end in _total, and all of them do`);
  if (series.size === 0) throw new Error(`${name} has no series`);
  if (type !== 'histogram') return;
  let before = 0;
  for (const [key, value] of series) {
    if (key.startsWith(`${name}_bucket`)) {
      if (value < before) throw new Error(`${key}: buckets are cumulative`);
      before = value;
    }
    if (key.startsWith(`${name}_count`)) {
      if (value !== before) throw new Error(`${key}: the last bucket holds all`);
      before = 0;
    }
  }
}

/** The value of one series, wherever it is. */
export function valueOf(metrics: ReadonlyMap<string, Metric>, key: string): number | undefined {
  for (const { series } of metrics.values()) if (series.has(key)) return series.get(key);
  return undefined;
}
