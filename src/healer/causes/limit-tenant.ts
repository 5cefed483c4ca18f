/** A limit that was set for this service, or for one user, holds it back; the machine may have plenty. */
import type { Confidence } from '../../core/diagnosis.ts';
import type { CaseFile, Cause } from '../leaves.ts';
import { factOf, factsOf, fullStop, isAlive, sentences, type Fact } from './read-case.ts';
import { noRestart, signsOfSlowness, waitsForProcessor } from './read-load.ts';

/** Of the periods of a quota. */
const oftenHeld = 0.5;
/** Pages a second that the service waits for: a group that is full of files only does not hurt. */
const ownPages = 20;

/** Certain when the kernel counted a refusal, or held it back in most of the time while visitors wait; likely when a limit is used up. */
export const limitTenant: Cause = {
  name: 'limit.tenant',
  suspect(file) {
    if (!isAlive(file)) return undefined;
    const met = factsOf(file, 'tenant_limit').flatMap((limit) => {
      const confidence = confidenceIn(limit, file);
      return confidence ? [{ limit, confidence }] : [];
    });
    const best = met.find(({ confidence }) => confidence === 'certain') ?? met[0];
    if (!best) return undefined;
    const { limit, confidence } = best;
    const { name } = file.target;
    return {
      cause: 'limit.tenant',
      confidence,
      subject: `${words[limit.word('limit')] ?? limit.word('limit')} of ${limit.word('unit') || limit.word('group')}`,
      sentence: `${name} is held back by a limit of its own: ${fullStop(limit.text)}`,
      because: sentences(...met.map((one) => one.limit), refusal(file, limit), ...signsOfSlowness(file)),
      against: [],
      remedy: remedy(limit),
      avoid: [noRestart(file)],
    };
  },
};

const words: Readonly<Record<string, string>> = { processes: 'number of processes', memory: 'memory', cpu: 'processor time', EP: 'entry processes', NPROC: 'number of processes', MEMPHY: 'memory' };

function confidenceIn(limit: Fact, file: CaseFile): Confidence | undefined {
  const refused = (limit.number('refused') ?? 0) > 0;
  switch (limit.word('limit')) {
    case 'cpu':
      // a quota is also met by what nobody waits for
      if (signsOfSlowness(file).length === 0 || !waitsForProcessor(file)) return undefined;
      return (limit.number('heldShare') ?? 0) >= oftenHeld ? 'certain' : 'likely';
    case 'memory':
      // what was only read from files is given back: only pages that it needs again hurt
      if (refusal(file, limit)) return 'certain';
      return signsOfSlowness(file).length > 0 && (factOf(file, 'service_load')?.number('majorFaultsPerS') ?? 0) >= ownPages ? 'likely' : undefined;
    default:
      return refused || refusal(file, limit) ? 'certain' : 'likely';
  }
}

/** The kernel's own word about the same group. */
function refusal(file: CaseFile, limit: Fact): Fact | undefined {
  const what = limit.word('limit') === 'memory' ? 'oom_kill' : 'fork_rejected';
  return factsOf(file, 'kernel').find((one) => one.word('what') === what && one.word('group') === limit.word('group'));
}

function remedy(limit: Fact): string {
  const unit = limit.word('unit');
  const most = limit.number('most') ?? 0;
  const raise = (property: string): string => (unit === '' ? `Raise the limit of ${limit.word('group')}` : `Raise it: systemctl set-property ${unit} ${property}`);
  switch (limit.word('limit')) {
    case 'processes':
      return `${raise(`TasksMax=${2 * most}`)}; first see whether so many are meant to be there (ps -eLf).`;
    case 'memory':
      return `${raise(`MemoryHigh=infinity MemoryMax=${Math.round((1.5 * most) / 1024 ** 2)}M`)}, or give it fewer workers.`;
    case 'cpu':
      return `${raise(`CPUQuota=${Math.round(200 * most)}%`)}, or find out which requests are expensive.`;
    default:
      return `Raise it for this user (lvectl set ${limit.number('uid')}), or find out which of its pages need so much.`;
  }
}
