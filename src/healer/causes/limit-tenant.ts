/** A limit that was set for this service, or for one user, holds it back; the machine may have plenty. */
import type { Cause } from '../leaves.ts';
import { fullStop, isAlive, sentences, type Fact } from './read-case.ts';
import { metLimits, refusalOf } from './read-limit.ts';
import { noRestart, signsOfSlowness } from './read-load.ts';

/** Certain when the kernel counted a refusal, or held it back in most of the time while visitors wait; likely when a limit is used up while they wait; possible when it is, and nobody does. */
export const limitTenant: Cause = {
  name: 'limit.tenant',
  suspect(file) {
    if (!isAlive(file)) return undefined;
    const met = metLimits(file);
    const best = met.find(({ confidence }) => confidence === 'certain') ?? met.find(({ confidence }) => confidence === 'likely') ?? met[0];
    if (!best) return undefined;
    const { limit, confidence } = best;
    const { name } = file.target;
    return {
      cause: 'limit.tenant',
      confidence,
      subject: `${words[limit.word('limit')] ?? limit.word('limit')} of ${limit.word('unit') || limit.word('group')}`,
      sentence: `${name} is held back by a limit of its own: ${fullStop(limit.text)}`,
      because: sentences(...met.map((one) => one.limit), refusalOf(file, limit), ...signsOfSlowness(file)),
      against: [],
      remedy: remedy(limit),
      avoid: [noRestart(file)],
    };
  },
};

const words: Readonly<Record<string, string>> = { processes: 'number of processes', memory: 'memory', cpu: 'processor time', EP: 'entry processes', NPROC: 'number of processes', MEMPHY: 'memory' };

function remedy(limit: Fact): string {
  const unit = limit.word('unit');
  const most = limit.number('most') ?? 0;
  const raise = (property: string): string => (unit === '' ? `Raise the limit of ${limit.word('group')}` : `Raise it: systemctl set-property ${unit} ${property}`);
  switch (limit.word('limit')) {
    case 'processes':
      return `${raise(`TasksMax=${2 * most}`)}; first see whether so many are meant to be there (ps -eLf).`;
    case 'memory':
      // only the limit that was met: the other one may be higher already
      return `${raise(`${limit.word('property')}=${Math.round((1.5 * most) / 1024 ** 2)}M`)}, or give it fewer workers.`;
    case 'cpu':
      return `${raise(`CPUQuota=${Math.round(200 * most)}%`)}, or find out which requests are expensive.`;
    default:
      return `Raise it for this user (lvectl set ${limit.number('uid')}), or find out which of its pages need so much.`;
  }
}
