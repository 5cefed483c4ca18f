/** Others on this host that start, stop or restart the same services: two healers undo each other's work. */
import type { Check, CheckResult, DoctorContext } from '../check.ts';

interface Healer {
  readonly name: string;
  /** How its process is known. */
  readonly runs: RegExp;
  /** Its files say which services it looks after; without files it looks after web servers by what it is. */
  readonly files: readonly string[];
  readonly stop: string;
}

const healers: readonly Healer[] = [
  {
    name: 'Monit',
    runs: /^(\S*\/)?monit( |$)/,
    files: ['/etc/monit/monitrc', '/etc/monit/conf-enabled/*', '/etc/monit/conf.d/*', '/etc/monit.d/*', '/etc/monitrc'],
    stop: 'take the check out of the file, then: monit reload',
  },
  {
    name: 'supervisord',
    runs: /(^|\/| )supervisord( |$)/,
    files: ['/etc/supervisor/supervisord.conf', '/etc/supervisor/conf.d/*.conf', '/etc/supervisord.conf', '/etc/supervisord.d/*.ini'],
    stop: 'set autorestart=false for the program, then: supervisorctl update',
  },
  { name: 'chkservd (cPanel)', runs: /chkservd|tailwatchd/, files: [], stop: 'in WHM, Service Manager: take the service\'s "Monitor" away' },
  { name: 'Plesk Watchdog', runs: /\/psa\/\S*(watchdog|wdcollect)|(^|\/)wdcollect/, files: [], stop: 'in Plesk, Extensions, Watchdog: do not monitor the service' },
  { name: 'docker-autoheal', runs: /(^|\/| )(docker-)?autoheal( |$)|docker-entrypoint autoheal/, files: [], stop: 'take the label autoheal off the container' },
];

/** Words by which the files of another healer mean what is healed here. */
const servers = ['php-fpm', 'php', 'nginx', 'apache2', 'httpd', 'goodgateway'];

export const otherHealers: Check = {
  name: 'other-healers',
  family: 'service',
  deadlineMs: 15_000,
  finds: {
    'other-healer': { severity: 'warning', when: 'Monit, supervisord, chkservd, Plesk Watchdog or docker-autoheal runs here and looks after the same services, and a policy of goodgateway may act' },
    'other-healer-here': { severity: 'info', when: 'the same, and no policy acts: let only one of them heal' },
  },
  check: async (context) => {
    const running = healers.filter(({ runs }) => context.processes.some(({ command }) => runs.test(command)));
    const results = await Promise.all(running.map((healer) => collide(context, healer)));
    return { findings: results.flat() };
  },
};

async function collide(context: DoctorContext, healer: Healer): Promise<CheckResult['findings']> {
  const { name, stop } = healer;
  const mention = healer.files.length === 0 ? undefined : await mentioned(context, healer);
  if (healer.files.length > 0 && !mention) return [];
  // it heals containers only
  if (name === 'docker-autoheal' && context.configuration && !context.services.some(({ target }) => target.config.type === 'docker')) return [];
  return [
    {
      id: context.services.some(({ mode }) => mode !== 'observe') ? 'other-healer' : 'other-healer-here',
      subject: name,
      what: mention ? `It runs, and looks after ${mention.service}.` : 'It runs, and looks after web servers.',
      why: 'It restarts a service while goodgateway repairs it, or starts what a policy leaves stopped; each counts the other as a fault, and restart limits are used up twice as fast.',
      change: `let one of them heal: ${mention ? `${mention.place}: ` : ''}${stop}; or leave goodgateway's policy in mode observe`,
      source: mention?.place ?? '/proc',
    },
  ];
}

/** The first line of its files that names one of our services. */
async function mentioned({ files, services, units }: DoctorContext, { files: patterns }: Healer): Promise<{ readonly place: string; readonly service: string } | undefined> {
  const words = [...servers, ...services.map(({ target }) => target.name), ...units.map((unit) => unit.replace(/\.service$/, ''))].map((word) => word.replaceAll(/[.+^${}()|[\]\\]/g, String.raw`\$&`));
  const asked = new RegExp(String.raw`^(check\s+process\s+|\[program:|command\s*=|\s*(start|restart)\s+program).*\b(${words.join('|')})`, 'i');
  for (const file of (await Promise.all(patterns.map((pattern) => files.matching(pattern)))).flat()) {
    for (const { text, line } of await files.lines(file)) {
      // of the line itself nothing is quoted: it may hold a password
      const service = asked.exec(text)?.at(-1);
      if (service) return { place: `${file}:${line}`, service };
    }
  }
  return undefined;
}
