/** How causes read a case file: one fact, the service's state, who listens, and the command that a person would type. */
import { shellQuoted } from '../../core/command-word.ts';
import type { Evidence } from '../../core/diagnosis.ts';
import { formatAddress, type Address } from '../../core/failure.ts';
import type { CaseFile, ServiceTarget } from '../leaves.ts';

/** One piece of evidence with typed access to its facts. */
export interface Fact {
  readonly text: string;
  /** Empty when there is no such fact, or it is no text. */
  word(name: string): string;
  number(name: string): number | undefined;
  flag(name: string): boolean;
  list(name: string): readonly string[];
}

/** What all evidence of a kind says; evidence that could not be had is left out. */
export function factsOf(file: CaseFile, kind: string): readonly Fact[] {
  return file.evidence.filter((each) => each.kind === kind && each.missing === undefined).map(toFact);
}

/** The first evidence of a kind. */
export function factOf(file: CaseFile, kind: string): Fact | undefined {
  return factsOf(file, kind)[0];
}

/** The last line of a known kind in the service's logs. */
export function logLine(file: CaseFile, signature: string): Fact | undefined {
  return factsOf(file, 'log').find((fact) => fact.word('signature') === signature);
}

/** `running`, `failed` …, and `unknown` also when nobody could tell. */
export function stateOf(file: CaseFile): string {
  return factOf(file, 'service_state')?.word('state') || 'unknown';
}

/** A package operation left it down, which nobody meant to last. */
export function isLeftStopped(file: CaseFile): boolean {
  return stateOf(file) === 'stopped' && factOf(file, 'service_state')?.flag('stoppedByPackage') === true;
}

/** The service runs; where nobody can tell (an external one), somebody takes connections at its address. */
export function isAlive(file: CaseFile): boolean {
  const state = stateOf(file);
  if (state !== 'unknown') return state === 'running';
  return factOf(file, 'connect')?.word('result') === 'connected' || somebodyListens(file) === true;
}

/** Who listens at the upstream in use. */
export function currentListener(file: CaseFile): Fact | undefined {
  return factsOf(file, 'listener').find((fact) => fact.flag('current'));
}

/** `undefined` when it cannot be seen from here. */
export function somebodyListens(file: CaseFile): boolean | undefined {
  const listener = currentListener(file);
  return listener && listener.word('state') === 'listening';
}

/** The upstream in use, as text; empty for a service that no gateway leads to. */
export function currentAddress({ target }: CaseFile): string {
  const address: Address | undefined = target.upstreams[target.current];
  return address ? formatAddress(address) : '';
}

/** All sentences that are there. */
export function sentences(...facts: readonly (Fact | string | undefined | false)[]): readonly string[] {
  return facts.map((fact) => (typeof fact === 'object' ? fact.text : fact || '')).filter((text) => text !== '');
}

/** Somebody else's words as the end of a sentence of ours. */
export function fullStop(text: string): string {
  return /[.!?]$/.test(text) ? text : `${text}.`;
}

/** `1 process`, `2 processes`. */
export function counted(count: number, one: string, more = `${one}s`): string {
  return `${count} ${count === 1 ? one : more}`;
}

/** The command that a person would type, or undefined where goodgateway does not know one. */
export function commandLine({ config }: ServiceTarget, verb: 'start' | 'restart'): string | undefined {
  switch (config.type) {
    case 'systemd':
      return `systemctl ${verb} ${config.unit}`;
    case 'init':
      return `${config.script} ${verb}`;
    case 'process':
      return verb === 'start' ? config.start.map(shellQuoted).join(' ') : undefined;
    case 'docker':
      return `docker ${verb} ${config.container}`;
    case 'external':
      return undefined;
  }
}

function toFact({ text, facts }: Evidence): Fact {
  return {
    text,
    word: (name) => (typeof facts[name] === 'string' ? facts[name] : ''),
    number: (name) => (typeof facts[name] === 'number' ? facts[name] : undefined),
    flag: (name) => facts[name] === true,
    list: (name) => (Array.isArray(facts[name]) ? facts[name].map(String) : []),
  };
}
