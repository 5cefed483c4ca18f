/** docs/metrics.md, the alert rules and the dashboard name metrics: each one is in what a running proxy says. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { parse } from 'yaml';
import { expose } from '../../src/proxy/admin/exposition.ts';
import { HealingCounts } from '../../src/proxy/admin/healing-counts.ts';
import { observedProxy } from '../fixtures/proxy/observed-proxy.ts';
import { documentedBlocks } from '../support/documented.ts';
import { finish } from '../support/program.ts';
import { readExposition, type Metric } from '../support/prometheus.ts';

const promtool = '/usr/bin/promtool';
const docs = join(import.meta.dirname, '../../docs');
const alertsFile = join(docs, 'prometheus/alerts.yaml');

interface AlertRule {
  readonly alert: string;
  readonly expr: string;
  readonly for: string;
  readonly labels: { readonly severity: string };
  readonly annotations: { readonly summary: string; readonly description: string };
}
interface Panel {
  readonly title: string;
  readonly type: string;
  readonly description?: string;
  readonly gridPos: { readonly x: number; readonly w: number };
  readonly targets?: readonly { readonly expr: string }[];
}
interface Dashboard {
  readonly schemaVersion: number;
  readonly panels: readonly Panel[];
  readonly templating: { readonly list: readonly { readonly name: string; readonly definition?: string }[] };
}

const alerts = (parse(readFileSync(alertsFile, 'utf8')) as { groups: readonly { rules: readonly AlertRule[] }[] }).groups.flatMap(({ rules }) => rules);
const dashboard = JSON.parse(readFileSync(join(docs, 'grafana/goodgateway.json'), 'utf8')) as Dashboard;
const page = readFileSync(join(docs, 'metrics.md'), 'utf8');

/** Of a proxy to which everything has happened that brings a metric forth. */
async function everyMetric(t: Test): Promise<ReadonlyMap<string, Metric>> {
  const { ask, metrics } = await observedProxy(t, { access: {}, gateway: { concurrency: 4, hold: { for: '10ms' } } });
  await ask();
  const healing = new HealingCounts();
  healing.take('{"event":"incident.recovered","cause":"service.crashed","outcome":{"result":"recovered"}}');
  return new Map([...(await metrics()), ...readExposition(expose(healing.families()))]);
}

/** Names, and for each the matchers of its labels: `a{b="c"}`. */
function asked(expression: string): readonly { readonly name: string; readonly matchers: readonly RegExpMatchArray[] }[] {
  return [...expression.matchAll(/\b((?:goodgateway|process)_[a-z_]+)(?:\{([^}]*)\})?/g)].map(([, name = '', inside = '']) => ({
    name,
    matchers: [...inside.matchAll(/([a-z_]+)(=~|!~|!=|=)"([^"]*)"/g)],
  }));
}

function checkExpression(t: Test, expression: string, metrics: ReadonlyMap<string, Metric>): void {
  for (const { name, matchers } of asked(expression)) {
    const base = metrics.has(name) ? name : name.replace(/_(bucket|sum|count)$/, '');
    const metric = metrics.get(base);
    t.ok(metric, `${name} in ${expression}`);
    const series = [...(metric?.series.keys() ?? [])].join('\n');
    for (const [, label = '', , value = ''] of matchers) {
      if (label === 'instance' || label === 'job') continue;
      t.ok(series.includes(`${label}="`), `${name} has the label ${label}`);
      if (!value.includes('$')) for (const word of value.split('|')) t.ok(series.includes(`${label}="${word}"`), `${name}: ${label}="${word}"`);
    }
  }
}

t.test('docs/metrics.md has every metric with its labels, and no other', async (t) => {
  const metrics = await everyMetric(t);
  const documented = [...page.matchAll(/^\| (`.*?`) \|/gm)].flatMap(([, cell = '']) => [...cell.matchAll(/`((?:goodgateway|process)_[a-z_]+)(?:\{([a-z_, ]+)\})?`/g)]);
  t.same(documented.map(([, name]) => name).sort(), [...metrics.keys()].sort());
  for (const [, name = '', labels = ''] of documented) {
    const [first = ''] = metrics.get(name)?.series.keys() ?? [];
    const has = [...first.matchAll(/([a-z_]+)="/g)].map(([, label]) => label).filter((label) => label !== 'le');
    t.same(has, labels === '' ? [] : labels.split(', '), name);
  }
  for (const expression of documentedBlocks('docs/metrics.md', 'promql')) checkExpression(t, expression, metrics);
});

t.test('every alert asks for what exists, and tells a person what to do', async (t) => {
  const metrics = await everyMetric(t);
  t.ok(alerts.length > 15);
  t.equal(new Set(alerts.map(({ alert }) => alert)).size, alerts.length);
  for (const rule of alerts) {
    checkExpression(t, rule.expr, metrics);
    t.match(rule, { alert: /^Goodgateway[A-Za-z]+$/, for: /^\d+[smh]$/, labels: { severity: /^(warning|critical)$/ }, annotations: { summary: String, description: /./ } });
  }
  if (existsSync(promtool)) t.match(await finish([promtool, 'check', 'rules', alertsFile]), { code: 0 });
});

t.test('every panel of the dashboard asks for what exists, at a place of its own', async (t) => {
  const metrics = await everyMetric(t);
  const { panels, templating, schemaVersion } = dashboard;
  t.ok(schemaVersion >= 39 && panels.length > 15);
  for (const { title, type, description, gridPos, targets = [] } of panels) {
    t.ok(gridPos.x + gridPos.w <= 24, title);
    if (type !== 'row') t.ok(description && targets.length > 0, title);
    for (const { expr } of targets) checkExpression(t, expr, metrics);
  }
  const variables = new Set(templating.list.map(({ name }) => name));
  for (const { definition = '' } of templating.list) checkExpression(t, definition, metrics);
  const used = [...JSON.stringify(dashboard).matchAll(/\$\{?([a-z]+)\}?/g)].map(([, name = '']) => name);
  t.same(
    [...new Set(used)].filter((name) => !variables.has(name)),
    [],
    'and of no variable that does not exist',
  );
});
