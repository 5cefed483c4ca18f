/** Access refused: by the modes along a socket's path, by SELinux, or to the service itself when it would listen. */
import { commandWord } from '../../core/command-word.ts';
import type { Suspect } from '../../core/diagnosis.ts';
import type { CaseFile, Cause } from '../leaves.ts';
import { commandLine, currentAddress, currentListener, factOf, factsOf, logLine, sentences, stateOf, type Fact } from './read-case.ts';
import { logWord } from './read-log-words.ts';

/**
 * Certain when a connect was refused for want of a right and the modes say which one that program lacks, or when the
 * service ended because it may not listen there; likely when the modes refuse another program, or SELinux wrote a line of
 * the refusal; possible when only SELinux, which enforces here, can have refused it. Modes that would refuse
 * a program which nobody saw refused are no cause of anything.
 */
export const configPermission: Cause = {
  name: 'config.permission',
  suspect: (file) => byModes(file) ?? ownBind(file) ?? bySelinux(file),
};

function byModes(file: CaseFile): Suspect | undefined {
  const seen = factsOf(file, 'socket_access');
  const refused = seen.filter((fact) => fact.word('program') === (file.symptom.seenBy === 'nginx_log' ? 'nginx' : 'goodgateway'));
  const denied = refused.length > 0 ? refused : seen;
  const first = denied[0];
  const connect = factOf(file, 'connect');
  if (!first || (file.symptom.errno !== 'EACCES' && connect?.word('errno') !== 'EACCES')) return undefined;
  const [at, program, user] = [first.word('at'), first.word('program'), first.word('user')];
  const mode = `${first.word('owner')}:${first.word('group')}, mode ${first.word('mode')}`;
  return {
    cause: 'config.permission',
    confidence: refused.length > 0 ? 'certain' : 'likely',
    subject: at,
    sentence: `${program} runs as ${user} and may not use ${at} (${mode}), so that no request reaches ${file.target.name}.`,
    because: sentences(file.symptom.errno === 'EACCES' && file.symptom.text, connect?.word('errno') === 'EACCES' && connect, ...denied),
    against: [],
    remedy: first.flag('isSocket') ? openSocket(file, first) : `Let ${user} pass the folder: setfacl -m u:${user}:x ${at}, or chmod o+x ${at}`,
    avoid: ['Do not make the socket writable for everybody (0777, 0666): any user of the host could then run code as the pool.'],
  };
}

/** Nobody who may use it now loses the right. Only for nginx, whose socket it usually is, the pool's own lines are changed. */
function openSocket(file: CaseFile, { word }: Fact): string {
  const [at, program, user, group] = [word('at'), word('program'), word('user'), word('group')];
  const now = `For now: setfacl -m u:${user}:rw ${at}`;
  const groupMayWrite = (Number.parseInt(word('mode'), 8) & 0o020) !== 0;
  if (groupMayWrite && group !== 'root') return `${now}; to last: usermod -aG ${group} ${user}, then restart ${program}, which knows its groups from its start.`;
  if (file.target.protocol !== 'fastcgi') return `${now}; then set it where ${file.target.name} makes its socket.`;
  const pool = factOf(file, 'fpm_pool')?.word('file') || 'its pool file';
  return program === 'nginx'
    ? `${now}; to last: listen.owner = ${user}, listen.group = ${word('primaryGroup')}, listen.mode = 0660 in ${pool}, then reload.`
    : `${now}; to last: listen.mode = 0660 in ${pool}, with a listen.group that ${user} and all others who connect are members of, then reload.`;
}

/** `unable to bind listening socket for address '…': Permission denied (13)` */
function ownBind(file: CaseFile): Suspect | undefined {
  const line = logLine(file, 'bind_failed');
  if (stateOf(file) !== 'failed' || !line || !/\(13\)|Permission denied|EACCES/.test(line.text)) return undefined;
  const { name } = file.target;
  const at = line.word('address') || currentAddress(file);
  const start = commandLine(file.target, 'start');
  return {
    cause: 'config.permission',
    confidence: 'certain',
    subject: at,
    sentence: `${name} may not listen on ${at}, and ended.`,
    because: sentences(line, factOf(file, 'service_state'), currentListener(file)),
    against: [],
    remedy: `Look at who owns what is in the way: namei -l ${commandWord(at.replace(/^unix:/, ''), 'PATH')}; then start it${start ? `: ${start}` : '.'}`,
  };
}

/** A connect over TCP is refused with EACCES by SELinux, or by a route that prohibits it; file modes have no say there. */
function bySelinux(file: CaseFile): Suspect | undefined {
  const blocked = factOf(file, 'blocked_connect');
  const line = logWord(file, 'selinuxDenied');
  if (!blocked?.flag('selinux') || (blocked.word('result') !== 'EACCES' && file.symptom.errno !== 'EACCES')) return undefined;
  const at = currentAddress(file);
  const port = at.slice(at.lastIndexOf(':') + 1);
  return {
    cause: 'config.permission',
    confidence: line ? 'likely' : 'possible',
    subject: at,
    sentence: `SELinux ${line ? 'forbids' : 'may forbid'} the connect to ${at}.`,
    because: sentences(blocked, line),
    against: sentences(!line && 'No line of its audit log was seen; a route that prohibits the address looks the same.'),
    remedy: blocked.flag('semanage')
      ? `Look: ausearch -m avc -ts recent; allow the port: semanage port -a -t http_port_t -p tcp ${port}`
      : 'Look: ausearch -m avc -ts recent; allow it: setsebool -P httpd_can_network_connect 1',
    avoid: ['Do not switch SELinux off (setenforce 0): allow the one port.'],
  };
}
