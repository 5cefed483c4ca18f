/** Everything that a Prometheus asks of this proxy (docs/metrics.md). Labels are names of gateways and words of fixed lists. */
import type { Gateway } from '../gateway.ts';
import { expose, histogramSamples, type Family, type Labels, type Sample } from './exposition.ts';
import type { HealingCounts } from './healing-counts.ts';
import { processFamilies, type ProcessFigures } from './process-figures.ts';

export interface MetricsState {
  readonly product: string;
  readonly gateways: ReadonlyMap<string, Gateway>;
  readonly healerConnected: boolean;
  readonly healing: HealingCounts;
  /** Where there is an access record: how many of its lines were lost. */
  readonly accessLinesDropped: number | undefined;
  readonly process: ProcessFigures;
}

/** The whole state as text. Pure. */
export function renderMetrics(state: MetricsState): string {
  const { product, healerConnected, accessLinesDropped: dropped } = state;
  return expose([
    { name: 'goodgateway_build_info', type: 'gauge', help: 'Always 1; the version is a label.', samples: [{ labels: { version: product, node: state.process.node }, value: 1 }] },
    ...gatewayFamilies([...state.gateways.values()]),
    {
      name: 'goodgateway_healer_connected',
      type: 'gauge',
      help: '1 while the healer is there. Without it requests are still held and served, but nothing is repaired.',
      samples: [{ value: Number(healerConnected) }],
    },
    ...state.healing.families(),
    {
      name: 'goodgateway_access_log_lines_dropped_total',
      type: 'counter',
      help: 'Lines of the access record that were lost because its file could not be written.',
      samples: dropped === undefined ? [] : [{ value: dropped }],
    },
    ...processFamilies(state.process),
  ]);
}

const gateStates = ['open', 'holding', 'falling_back'] as const;

type Series = (gateway: Gateway, labels: Labels) => readonly Sample[];

function gatewayFamilies(gateways: readonly Gateway[]): readonly Family[] {
  const family = (name: string, type: Family['type'], help: string, series: Series): Family => ({
    name: `goodgateway_${name}`,
    type,
    help,
    samples: gateways.flatMap((gateway) => series(gateway, { gateway: gateway.name })),
  });
  const one = (name: string, type: 'counter' | 'gauge', help: string, read: (gateway: Gateway) => number | undefined): Family =>
    family(name, type, help, (gateway, labels) => {
      const value = read(gateway);
      return value === undefined ? [] : [{ labels, value }];
    });
  return [
    family('requests_total', 'counter', 'Requests by how they ended.', ({ counts }, labels) => [...counts.ended].map(([outcome, value]) => ({ labels: { ...labels, outcome }, value }))),
    family('request_duration_seconds', 'histogram', 'From the arrival of a request to the end of its answer; upgraded connections are not counted.', ({ counts }, labels) =>
      histogramSamples(counts.took, labels),
    ),
    family('hold_duration_seconds', 'histogram', 'How long requests waited that had to wait.', ({ counts }, labels) => histogramSamples(counts.held, labels)),
    one('replays_total', 'counter', 'Requests that may have been executed and were sent once more.', ({ counts }) => counts.replays),
    family('failures_total', 'counter', 'Attempts at the backend that failed, by kind.', ({ health }, labels) => [...health.failures].map(([kind, value]) => ({ labels: { ...labels, kind }, value }))),
    family('backend_responses_total', 'counter', 'Answers of the backend by the class of their status.', ({ health }, labels) =>
      health.answers.slice(1).map((value, place) => ({ labels: { ...labels, code_class: `${place + 1}xx` }, value })),
    ),
    one('shed_total', 'counter', 'Requests that were turned away because there was too much to do.', ({ health }) => health.total.shed),
    one('in_flight', 'gauge', 'Requests in the backend now.', ({ gate }) => gate.inFlight),
    one('held', 'gauge', 'Requests that wait now.', ({ gate }) => gate.held),
    one('concurrency_limit', 'gauge', 'Most requests in the backend at once; absent where there is no limit.', ({ gate }) => gate.limit),
    family('gate_state', 'gauge', '1 for what the gate does now.', ({ gate }, labels) => gateStates.map((state) => ({ labels: { ...labels, state }, value: Number(gate.state.kind === state) }))),
    one('quarantined', 'gauge', 'Requests (by fingerprint) that are answered by the page because they end their workers.', ({ quarantine }) => quarantine.size),
  ];
}
