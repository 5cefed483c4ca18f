/** What the machine is busy with, as causes read it: does the service suffer, who takes most of a thing, what calms that down. */
import { formatDuration } from '../../core/time.ts';
import type { CaseFile } from '../leaves.ts';
import { counted, currentListener, factOf, factsOf, isAlive, sentences, type Fact } from './read-case.ts';

/** What visitors of a service notice that is too slow. Who refuses or closes a connection is not slow. */
const slowSymptoms: readonly string[] = ['http_response_timeout', 'no_progress', 'unanswered_probe'];
/** Nothing finished for so long while requests are inside. */
const silenceMs = 5000;

/**
 * The signs that the service lives and does not keep up; none of one that answers in time, however busy the machine is,
 * nor of one that is stopped.
 */
export function signsOfSlowness(file: CaseFile): readonly string[] {
  const workers = factOf(file, 'workers');
  const processes = factOf(file, 'processes');
  if (!isAlive(file) || processes?.flag('frozen') || (processes?.number('stopped') ?? 0) > 0) return [];
  const listener = currentListener(file);
  const answer = factOf(file, 'http_answer');
  const { inFlight, noProgressMs } = file.traffic;
  const inside = sentences(workers?.number('idle') === 0 && (workers.number('busy') ?? 0) > 0 && workers, (listener?.number('queue') ?? 0) > 0 && listener);
  // what is lost on the way gets no answer either, however well the service is
  if (isLostOnTheWay(file)) return inside.length === 0 ? [] : [file.symptom.text, ...inside];
  const outside = sentences(
    answer?.word('result') === 'timeout' && answer,
    inFlight > 0 && noProgressMs >= silenceMs && `None of ${counted(inFlight, 'request')} has finished for ${formatDuration(noProgressMs)}.`,
  );
  if (inside.length + outside.length === 0 && answer?.word('result') === 'status') return [];
  return sentences(slowSymptoms.includes(file.symptom.kind) && file.symptom.text, ...inside, ...outside);
}

/** No connection comes about: the service may be slow to take them, but the way to it is the nearer cause. */
export function isLostOnTheWay({ symptom }: CaseFile): boolean {
  return symptom.kind === 'connection_timeout' || symptom.kind === 'connection_refused';
}

/** Of the sample all processors were busy, or the host below took them away. */
const free = 0.1;
const muchStolen = 0.2;

/** The host of this virtual machine takes much of the processors' time. */
export function isStolen(machine: Fact | undefined): boolean {
  return (machine?.number('stolenShare') ?? 0) >= muchStolen;
}

/** Evidence `load`: whoever wants to compute has to wait. */
export function noProcessorIsFree(machine: Fact | undefined): boolean {
  return (machine?.number('idleShare') ?? 1) <= free || isStolen(machine);
}

/** A second, where the kernel keeps no pressure. */
const manyPages = 500;

/** Evidence `load`: of the last ten seconds somebody, or everybody, waited for memory. */
export function isMemoryShort(machine: Fact | undefined): boolean {
  if (!machine) return false;
  if (machine.number('memorySome') === undefined) return (machine.number('swappedInPerS') ?? 0) >= manyPages || (machine.number('majorFaultsPerS') ?? 0) >= manyPages;
  return isUnderPressure(machine, 'memory', 0.3) || (machine.number('memoryFull') ?? 0) >= 0.1;
}

/** Nearly all of the sample, and a second or two of those before it. */
const nowPressing = 0.8;
const ofLasting = 0.3;

/**
 * Somebody waited for it for the share `lasting` of the last ten seconds; or does now, nearly all the time, and has for
 * long enough that it is no spike: the kernel's average takes seven seconds to say the half of what is so.
 */
export function isUnderPressure(machine: Fact, resource: Resource, lasting: number): boolean {
  const some = machine.number(`${resource}Some`) ?? 0;
  return some >= lasting || ((machine.number(`${resource}SomeNow`) ?? 0) >= nowPressing && some >= ofLasting * lasting);
}

/** Pages a second that the service itself waits for. */
export const ownPages = 20;
const groupWaits = 0.3;

/** The service's own processes, or its control group, are seen waiting for pages of memory. */
export function waitsForPages(file: CaseFile): Fact | undefined {
  const own = factOf(file, 'service_load');
  return (own?.number('majorFaultsPerS') ?? 0) >= ownPages || (own?.number('groupMemorySome') ?? 0) >= groupWaits ? own : undefined;
}

/** Of the sample its threads wanted to compute at least so much, and waited at least so much of that. */
const wanted = 0.3;
const waited = 0.5;

/** The service's own threads are seen waiting for a processor; `undefined` where they are not, or nobody could see. */
export function waitsForProcessor(file: CaseFile): Fact | undefined {
  const own = factOf(file, 'service_load');
  return (own?.number('wantedShare') ?? 0) >= wanted && (own?.number('waitShare') ?? 0) >= waited ? own : undefined;
}

export type Resource = 'cpu' | 'memory' | 'io';

/** Whoever uses most of it and does not belong to the service; `undefined` when nobody has at least `leastShare`. */
export function stranger(file: CaseFile, resource: Resource, leastShare: number): Fact | undefined {
  return factsOf(file, 'consumer').find((one) => one.word('resource') === resource && !one.flag('ofService') && (one.number('share') ?? 0) >= leastShare);
}

/** The service's own processes, where they use at least so much of it. */
export function ownUse(file: CaseFile, resource: Resource, leastShare: number): Fact | undefined {
  return factsOf(file, 'consumer').find((one) => one.word('resource') === resource && one.flag('ofService') && (one.number('share') ?? 0) >= leastShare);
}

/** `stress-ng of user backup (backup.service)` */
export function nameOf(consumer: Fact): string {
  const unit = consumer.word('unit');
  return `${consumer.word('program')} of user ${consumer.word('user')}${unit === '' ? '' : ` (${unit})`}`;
}

/** Servers that may work for this very service: to hold them back would make it slower still. */
const mayWorkForIt = /^(?:mariadbd|mysqld|postgres|redis-server|valkey-server|memcached|nginx|apache2|httpd|haproxy|java|php-fpm[\d.]*)$/;

/** What takes most of it, as one step for a person: held back without being ended, until the next boot at most. */
export function calmDown(file: CaseFile, { consumer, resource, cores = 1 }: { readonly consumer: Fact; readonly resource: Resource; readonly cores?: number }): string {
  const command = commandFor({ consumer, resource, cores, unit: unitApart(file, consumer) });
  const program = consumer.word('program');
  return mayWorkForIt.test(program)
    ? `See first what ${program} works on: it may be for ${file.target.name} itself, and then its work must become less. If it is not: ${command}`
    : `Hold it back: ${command}`;
}

/** A limit of the unit that the service itself is in would hold the service back too. */
function unitApart({ target: { config } }: CaseFile, consumer: Fact): string {
  const unit = consumer.word('unit');
  return config.type === 'systemd' && config.unit === unit ? '' : unit;
}

function commandFor({ consumer, resource, cores, unit }: { readonly consumer: Fact; readonly resource: Resource; readonly cores: number; readonly unit: string }): string {
  const pids = consumer.list('pids').join(' ');
  const limit = (property: string): string => `systemctl set-property --runtime ${unit} ${property}`;
  switch (resource) {
    case 'cpu':
      // a quarter of the machine
      return unit === '' ? `renice -n 19 -p ${pids}` : limit(`CPUQuota=${25 * cores}%`);
    case 'memory':
      return unit === '' ? `kill ${pids} (what it has not saved is lost)` : limit(`MemoryHigh=${Math.round((0.7 * (consumer.number('amount') ?? 0)) / 1024 ** 2)}M`);
    case 'io':
      return unit === '' ? `ionice -c 3 -p ${pids}` : limit('IOWeight=10');
  }
}

/** Does not help against load, and loses requests. */
export function noRestart({ target }: CaseFile): string {
  return `A restart of ${target.name} loses the requests that it is serving, and it comes back to the same load.`;
}
