/** What the live view says of each service: its row of the table, what is under it, and who comes first. */
import { collapse } from '../core/deeds.ts';
import { byHand, failures, gatewaySentence, lasting, leftOf, restraintsOf, stepSentence, visitorsShort } from './status-words.ts';
import type { GatewayStatus, ServiceStatus, Status } from './status-answer.ts';
import type { Row } from './status-table.ts';

export type Style = 'bold' | 'dim' | 'red' | 'yellow';

export interface Detail {
  readonly text: string;
  /** Without it the row says nothing. */
  readonly essential: boolean;
  readonly style: Style | undefined;
}

export interface Block {
  /** 0 waits for somebody, 1 has an incident, 2 is not quite well or is held back, 3 is well. */
  readonly rank: 0 | 1 | 2 | 3;
  readonly row: Row;
  readonly details: readonly Detail[];
  readonly style: Style | undefined;
}

/** Those in trouble first, else in the order of the answer. */
export function serviceBlocks({ services, gateways }: Status, nowMs: number): readonly Block[] {
  return services.map((service) => blockOf(service, { gateways: gateways.filter((one) => one.service === service.name), nowMs })).toSorted((a, b) => a.rank - b.rank);
}

function blockOf(service: ServiceStatus, { gateways, nowMs }: { readonly gateways: readonly GatewayStatus[]; readonly nowMs: number }): Block {
  const rank = rankOf(service, gateways);
  const style: Style | undefined = rank < 2 ? 'red' : rank === 2 ? 'yellow' : undefined;
  return { rank, row: rowOf(service, { gateways, rank }), details: detailsOf(service, gateways, nowMs), style };
}

function rankOf({ incident, state, off, paused, gave_up: gaveUp, under_way: underWay }: ServiceStatus, gateways: readonly GatewayStatus[]): Block['rank'] {
  const step = incident?.step?.doing;
  if (gaveUp !== null || step === 'asking' || step === 'given_up') return 0;
  if (incident) return 1;
  const isQuiet = (state === 'running' || state === 'unknown') && !off && !paused && underWay === null;
  return isQuiet && gateways.every(({ visitors }) => visitors === 'answers') ? 3 : 2;
}

/** What visitors get, worst first; a silent proxy is between. */
const worstFirst = ['page', 'waits', 'answers_or_page', null, 'answers'] as const;

function rowOf({ name, state, attempts }: ServiceStatus, { gateways, rank }: { readonly gateways: readonly GatewayStatus[]; readonly rank: Block['rank'] }): Row {
  const worst = gateways.toSorted((a, b) => worstFirst.indexOf(a.visitors) - worstFirst.indexOf(b.visitors))[0];
  const sum = (of: (gateway: GatewayStatus) => number | null): string => {
    const known = gateways.map(of).filter((one) => one !== null);
    return known.length > 0 ? short(known.reduce((total, one) => total + one, 0)) : '-';
  };
  return {
    mark: rank < 2 ? '!' : ' ',
    service: name,
    state,
    visitors: worst ? visitorsShort(worst) : '-',
    in_flight: sum((one) => one.in_flight),
    held: sum((one) => one.held),
    per_second: sum((one) => one.per_second),
    failed: gateways.length > 0 ? sum((one) => one.failed_last_minute) : '-',
    left: leftOf(attempts).replace(' of ', '/'),
  };
}

/** In at most six characters: `9.5`, `1234`, `56.7k`. */
function short(value: number): string {
  if (value >= 1e6) return `${(value / 1e6).toFixed(1)}M`;
  if (value >= 1e4) return `${(value / 1e3).toFixed(1)}k`;
  return String(value < 100 ? Math.round(value * 10) / 10 : Math.round(value));
}

function detailsOf(service: ServiceStatus, gateways: readonly GatewayStatus[], nowMs: number): readonly Detail[] {
  const { incident, name, gave_up: gaveUp, quarantined } = service;
  const detail = (text: string | undefined, { essential = false, style }: { readonly essential?: boolean; readonly style?: Style } = {}): readonly Detail[] =>
    text === undefined ? [] : [{ text, essential, style }];
  const failed = failures(gateways);
  const isTold = gateways.length > 1 || gateways.some(({ visitors }) => visitors === null);
  return [
    ...(incident ? detail(`${incident.code} for ${lasting(Date.parse(incident.opened_at), nowMs)}: ${incident.sentence ?? incident.symptom}`, { essential: true }) : []),
    ...(incident?.step ? detail(stepSentence(incident.step, nowMs), { essential: true, style: 'bold' }) : []),
    ...detail(byHand(service), { essential: true, style: 'bold' }),
    ...(gaveUp !== null ? detail(`it waits for a person; to let goodgateway try again: goodgateway ack ${name}`) : []),
    ...restraintsOf(service, ` ${name}`).flatMap((text) => detail(text)),
    ...(incident && incident.done.length > 0 ? detail(`done: ${collapse(incident.done).join(', ')}; more: goodgateway why ${incident.code}`) : []),
    ...(isTold ? gateways.flatMap((gateway) => detail(gatewaySentence(gateway))) : detail(failed)),
    ...(quarantined.length > 0 ? detail(`not sent to it, because it ends its workers: ${quarantined.map(({ request }) => request).join(', ')}`) : []),
  ];
}
