/** A name of the configuration does not resolve, or only slowly: the name server, or the name itself, is the trouble. */
import { commandWord } from '../../core/command-word.ts';
import type { Confidence, Suspect } from '../../core/diagnosis.ts';
import type { CaseFile, Cause } from '../leaves.ts';
import { currentAddress, factOf, factsOf, sentences, stateOf, type Fact } from './read-case.ts';
import { logWord } from './read-log-words.ts';

/**
 * Certain when the name of the upstream does not resolve and a name server says the same, or every one is silent; likely
 * when nobody confirms it, when it is the name of something which the service needs, or when it leads past the service;
 * possible when it is only late or slow and nobody met that, or when only the log speaks of a name. A server that does
 * answer, if late, is slow: never certain.
 */
export const configDns: Cause = {
  name: 'config.dns',
  suspect(file) {
    const names = factsOf(file, 'name');
    const lost = names.find((fact) => fact.word('result') !== 'resolved');
    if (lost && !(lost.word('result') === 'late' && slowServer(file, lost))) return unresolved(file, lost);
    const slow = names.find((fact) => fact.flag('slow'));
    return (slow && slowly(file, slow)) ?? elsewhere(file, names) ?? logged(file);
  },
};

function unresolved(file: CaseFile, lost: Fact): Suspect {
  const name = lost.word('name');
  const servers = factsOf(file, 'name_server').filter((fact) => fact.word('name') === name);
  const silent = servers.length > 0 && servers.every((fact) => !fact.flag('answers'));
  const denied = servers.some((fact) => fact.word('exists') === 'no');
  const known = servers.find((fact) => fact.word('exists') === 'yes');
  return {
    cause: 'config.dns',
    confidence: confidenceOf(file, { lost, confirmed: silent || denied, known: known !== undefined }),
    subject: silent ? `name server ${servers.map((fact) => fact.word('server')).join(', ')}` : name,
    sentence: silent ? `No name server of this host answers in time, so that ${name} cannot be found.` : denied ? `The name ${name} does not exist.` : `The name ${name} does not resolve.`,
    because: sentences(lost, ...servers.filter((fact) => fact !== known), factOf(file, 'connect')),
    against: sentences(known),
    remedy: silent
      ? `Look at the name servers: cat /etc/resolv.conf; getent ahosts ${name}. Until they answer, an address or a line in /etc/hosts helps.`
      : `Look it up: getent ahosts ${name}. Correct the name where it is written, or at its name server.`,
    avoid: ['A restart does not help: the name would not resolve then either, and nginx does not even start without it.'],
  };
}

/** An overloaded host is late, too, so to be late proves nothing by itself. */
function confidenceOf(file: CaseFile, { lost, confirmed, known }: { readonly lost: Fact; readonly confirmed: boolean; readonly known: boolean }): Confidence {
  const late = lost.word('result') === 'late' && !isMet(file);
  if (known || (!confirmed && late)) return 'possible';
  const isUpstream = currentAddress(file).startsWith(`${lost.word('name')}:`);
  if (isUpstream && factOf(file, 'connect')?.word('result') === 'connected') return 'possible';
  return isUpstream && confirmed && !late ? 'certain' : 'likely';
}

/** Each new connection waits for it. Five seconds are the patience of the resolver with a server that is silent. */
function slowly(file: CaseFile, slow: Fact): Suspect | undefined {
  const dead = factsOf(file, 'name_server').find((fact) => !fact.flag('answers'));
  const late = slowServer(file, slow);
  const guilty = dead ?? late;
  if (!guilty) return undefined;
  const [name, server] = [slow.word('name'), guilty.word('server')];
  return {
    cause: 'config.dns',
    confidence: isMet(file) ? 'likely' : 'possible',
    subject: `name server ${server}`,
    sentence: dead
      ? `The name ${name} resolves slowly, because the name server ${server} is silent.`
      : `The name ${name} resolves slowly: the name server ${server} answers only after ${Math.round((guilty.number('ms') ?? 0) / 100) / 10} s.`,
    because: sentences(slow, guilty, isMet(file) && file.symptom.text),
    against: [],
    remedy: dead
      ? `Take ${server} out of /etc/resolv.conf, or put it behind one that answers.`
      : `Find out what makes ${server} slow, or put a faster one before it in /etc/resolv.conf. To measure: time getent ahosts ${name}. Until then an address, or a line in /etc/hosts, helps.`,
    avoid: ['A restart does not help: the name would be looked up as slowly then.'],
  };
}

/** In the same data centre a server answers within milliseconds. */
const slowMs = 1000;

/** A server that has an answer about this name, if late. */
function slowServer(file: CaseFile, name: Fact): Fact | undefined {
  return factsOf(file, 'name_server').find((fact) => fact.word('name') === name.word('name') && fact.word('exists') === 'yes' && (fact.number('ms') ?? 0) >= slowMs);
}

/** Connects, our own or requests', that failed at the look-up. */
function isMet(file: CaseFile): boolean {
  return file.symptom.kind.startsWith('dns_') || (factOf(file, 'connect')?.word('result') ?? '').startsWith('dns_');
}

/** The service runs here, and its name leads to another address: an old answer, or somebody else's. */
function elsewhere(file: CaseFile, names: readonly Fact[]): Suspect | undefined {
  const name = names.find((fact) => fact.list('listeners').length > 0);
  const connect = factOf(file, 'connect');
  if (!name || stateOf(file) !== 'running' || !connect || connect.word('result') === 'connected') return undefined;
  const [here, there] = [name.list('listeners'), name.list('addresses')];
  if (here.some((host) => host === '0.0.0.0' || host === '::' || there.includes(host))) return undefined;
  const text = `On this host port ${currentAddress(file).split(':').at(-1)} is listened on at ${here.join(', ')}.`;
  return {
    cause: 'config.dns',
    confidence: 'likely',
    subject: name.word('name'),
    sentence: `The name ${name.word('name')} leads to ${there.join(', ')}, where no connection is taken; ${file.target.name} listens on ${here.join(', ')}.`,
    because: sentences(name, text, connect, factOf(file, 'service_state')),
    against: [],
    remedy: `Look the name up: getent ahosts ${name.word('name')}. Correct it at its name server or in /etc/hosts; then reload what keeps the old answer (nginx looks a name up only when it starts).`,
  };
}

function logged(file: CaseFile): Suspect | undefined {
  const line = logWord(file, 'nameUnresolved');
  if (!line) return undefined;
  return {
    cause: 'config.dns',
    confidence: 'possible',
    subject: line.word('name') || file.target.name,
    sentence: `${file.target.name} could not look up a name.`,
    because: sentences(line),
    against: sentences(...factsOf(file, 'name')),
    remedy: `Look the name up on this host: getent ahosts ${commandWord(line.word('name'), 'NAME')}`,
  };
}
