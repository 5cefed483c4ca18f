/** `status --watch` in a pipe: a line for each service at the start, and then one whenever it is another than before. */
import { collapse } from '../core/deeds.ts';
import { budgetLeft, byHand, failures, gatewaySentence, hostRestraints, restraintsOf, stepWords } from './status-words.ts';
import type { NoAnswer } from './ask-healer.ts';
import type { GatewayStatus, ServiceStatus, Status } from './status-answer.ts';
import { plain } from './terminal.ts';
import { formatWhen } from './when.ts';

/** What was said last, by whom it was about. Numbers that change every second are no change. */
export type Said = Map<string, string>;

/** The lines that are due, without control characters; remembers them in `said`. */
export function changedLines(answer: Status | NoAnswer, said: Said, nowMs: number): readonly string[] {
  const lines = 'services' in answer ? [hostLine(answer), ...answer.services.map((service) => serviceLine(service, answer.gateways))] : [{ about: '', text: answer.noAnswer, key: answer.noAnswer }];
  return lines.flatMap(({ about, text, key }) => {
    if (said.get(about) === key) return [];
    said.set(about, key);
    return [plain(`${formatWhen(nowMs)} ${text}`)];
  });
}

interface Saying {
  /** A service's name; empty: the host. */
  readonly about: string;
  readonly text: string;
  /** Another one: another line. */
  readonly key: string;
}

function hostLine(status: Status): Saying {
  const text = [`healing is ${status.healing}`, `audit log: ${status.audit}`, ...hostRestraints(status), ...budgetLeft(status)].join('; ');
  return { about: '', text, key: text };
}

function serviceLine(service: ServiceStatus, all: readonly GatewayStatus[]): Saying {
  const { name, state, mode, incident, gave_up: gaveUp, quarantined } = service;
  const gateways = all.filter((one) => one.service === name);
  const lasting = [
    `${name}: ${state} (${mode})`,
    ...(incident ? [`incident ${incident.code}: ${incident.sentence ?? incident.symptom}`] : ['no open incident']),
    ...[byHand(service) ?? []].flat(),
    ...(incident && incident.done.length > 0 ? [`done: ${collapse(incident.done).join(', ')}`] : []),
    ...(gaveUp === null ? [] : [`given up; to let goodgateway try again: goodgateway ack ${name}`]),
    ...restraintsOf(service, ` ${name}`),
    ...quarantined.map(({ request }) => `not sent: ${request}`),
  ];
  const step = incident?.step ? [stepWords(incident.step)] : [];
  const traffic = gateways.map((gateway) => `${gateway.name} ${gateway.visitors ?? 'silent'} ${failures([gateway]) === undefined ? '' : 'failing'}`);
  return {
    about: name,
    text: [...lasting, ...step, ...gateways.map(gatewaySentence)].join('; '),
    // of why a step is held back the numbers change with each look
    key: [...lasting, ...step.map((words) => words.replaceAll(/[\d.]+/g, '#')), ...traffic].join('; '),
  };
}
