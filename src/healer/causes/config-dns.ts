/** A name of the configuration does not resolve, or only slowly: the name server, or the name itself, is the trouble. */
import type { Confidence, Suspect } from '../../core/diagnosis.ts';
import type { CaseFile, Cause } from '../leaves.ts';
import { currentAddress, factOf, factsOf, sentences, type Fact } from './read-case.ts';
import { logWord } from './read-log-words.ts';

/**
 * Certain when the name of the upstream does not resolve and a name server says the same, or every one is silent; likely
 * when nobody confirms it, or when it is the name of something which the service needs; possible when it is only late or
 * slow, or when only the log speaks of a name.
 */
export const configDns: Cause = {
  name: 'config.dns',
  suspect(file) {
    const names = factsOf(file, 'name');
    const lost = names.find((fact) => fact.word('result') !== 'resolved');
    if (lost) return unresolved(file, lost);
    const slow = names.find((fact) => fact.flag('slow'));
    return slow ? slowly(file, slow) : logged(file);
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
    sentence: silent ? `No name server of this host answers, so that ${name} cannot be found.` : denied ? `The name ${name} does not exist.` : `The name ${name} does not resolve.`,
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
  if (known || (!confirmed && lost.word('result') === 'late')) return 'possible';
  const isUpstream = currentAddress(file).startsWith(`${lost.word('name')}:`);
  return isUpstream && confirmed ? 'certain' : 'likely';
}

/** Each new connection waits for it. Five seconds are the patience of the resolver with a server that is silent. */
function slowly(file: CaseFile, slow: Fact): Suspect | undefined {
  const dead = factsOf(file, 'name_server').find((fact) => !fact.flag('answers'));
  if (!dead) return undefined;
  return {
    cause: 'config.dns',
    confidence: 'possible',
    subject: `name server ${dead.word('server')}`,
    sentence: `The name ${slow.word('name')} resolves slowly, because the name server ${dead.word('server')} is silent.`,
    because: sentences(slow, dead),
    against: [],
    remedy: `Take ${dead.word('server')} out of /etc/resolv.conf, or put it behind one that answers.`,
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
    remedy: `Look the name up on this host: getent ahosts ${line.word('name') || 'NAME'}`,
  };
}
