/** Rows of `top`, `ps`, `iostat` and `vmstat` hold numbers only: here they say in words what they mean, so that signatures can name them. */

/** `14378 lxd 20 0 717900 270168 0 S 99.9 27.6 132:48.03 kdevtmpfsi` */
const topRow =
  /^ *(?:\d{1,10}) +(?<user>\S{1,40}) +(?:-?\d{1,4}|rt) +-?\d{1,3} +[\d.]{1,12}[mgt]? +[\d.]{1,12}[mgt]? +[\d.]{1,12}[mgt]? +(?<state>[RSDTZI]) +(?<cpu>[\d.,]{1,7}) +[\d.,]{1,7} +[\d:.]{1,12} +(?<process>\S{1,60})/;
/** `mysql 812 98.0 12.1 1834920 498200 ? Ssl 10:00 132:48 /usr/sbin/mariadbd` */
const psRow = /^(?<user>[a-z_][\w.+-]{0,40}) +\d{1,10} +(?<cpu>[\d.]{1,6}) +[\d.]{1,6} +\d{1,12} +\d{1,12} +\S{1,8} +(?<state>[RSDTZI])\S{0,6} +\S{1,8} +[\d:]{1,10} +(?<process>\S{1,80})/;
/** `4711 D nfs_wait php-fpm8.2` of `ps -o pid,stat,wchan,cmd`: only who waits for a disk is of interest. */
const waitingRow = /^ *\d{1,10} +(?<state>D)[sl<N+]{0,4} +(?<process>\S{1,60}(?: +\S{1,60})?)/;
/** `06:27:54 PM 0 3712809 99.00 1.00 0.00 0.00 100.00 1 mysqld` of `pidstat`: user, system, guest, wait, CPU, its number. */
const pidstatRow = /^\d\d:\d\d:\d\d(?: [AP]M)? +(?<user>\S{1,40}) +\d{1,10}(?: +[\d.,]{1,7}){4} +(?<cpu>[\d.,]{1,7}) +\d{1,4} +(?<process>\S{1,80})/;
/** `/dev/vda1 40G 39G 0 100% /` of `df`, and `Mem: 3944 3701 120 30 122 45` of `free`, whose last column is what is available. */
const diskRow = /^(?<device>\/?[\w./-]{1,80}) +[\d.]{1,12}[KMGTP]?i? +[\d.]{1,12}[KMGTP]?i? +[\d.]{1,12}[KMGTP]?i? +(?<used>\d{1,3})% +(?<mount>\/\S{0,80})$/;
const memoryRow = /^Mem: +(?<total>[\d.]{1,12})(?:[KMG]i?)? .{0,80}? (?<available>[\d.]{1,12})(?:[KMG]i?)?$/;
/** `%Cpu(s): 12.0 us, 3.0 sy, 0.0 ni, 10.0 id, 75.0 wa, 0.0 hi, 0.0 si, 0.0 st`, and with `%` behind the numbers */
const cpuRow = /^%?Cpu\(?s?\)? ?: *(?<user>[\d.,]{1,6}) ?%? ?us, *(?<system>[\d.,]{1,6}) ?%? ?sy,.{1,40}?, *(?<wait>[\d.,]{1,6}) ?%? ?wa,.{1,40}?(?<steal>[\d.,]{1,6}) ?%? ?st/;
/** Quotation marks of a mail, and the container's name that `docker compose logs` writes. */
const prefix = /^(?:> ?)?(?:[\w.-]{1,60} {0,8}\| )?/;
const longestRow = 400;

/** Can this line be such a row? Decided by its first bytes: nothing else is looked at for other lines. */
export function mayBeRow(bytes: Uint8Array, from: number, to: number): boolean {
  if (to - from > longestRow || to - from < 20) return false;
  let at = from;
  while (at < to && bytes[at] === 32) at += 1;
  const first = bytes[at]!;
  const isDigit = first >= 48 && first <= 57;
  // a date begins with four digits and a mark
  if (isDigit) return bytes[at + 4] !== 45 && bytes[at + 4] !== 47;
  if (first === 77) return bytes[at + 1] === 101 && bytes[at + 2] === 109;
  return first === 37 || first === 47 || first === 62 || first === 67 || (first >= 97 && first <= 122);
}

/** What such a row says, or `undefined` where it is none. */
export function spellOut(quoted: string): string | undefined {
  const text = quoted.replace(prefix, '');
  const { user = '', state, cpu = '', process } = (topRow.exec(text) ?? psRow.exec(text) ?? pidstatRow.exec(text) ?? waitingRow.exec(text))?.groups ?? {};
  if (process !== undefined) return state === 'D' ? `host snapshot: process ${process} in state D` : `host snapshot: process ${process} of ${user} uses ${cpu.replace(',', '.')} % cpu`;
  const disk = diskRow.exec(text.trim())?.groups;
  if (disk) return /^\/dev\/loop|^squashfs/.test(disk['device'] ?? '') ? undefined : `host snapshot: disk ${disk['mount']} is ${disk['used']} % full`;
  const memory = memoryRow.exec(text.trim())?.groups;
  if (memory) return `host snapshot: memory ${((100 * toNumber(memory['available'])) / toNumber(memory['total'])).toFixed(1)} % available`;
  const cpus = cpuRow.exec(text)?.groups;
  if (cpus) return ofCpus({ busy: toNumber(cpus['user']) + toNumber(cpus['system']), wait: toNumber(cpus['wait']), steal: toNumber(cpus['steal']) });
  return ofColumns(text);
}

/** `iostat`: user, nice, system, iowait, steal, idle; `vmstat`: its last five are user, system, idle, wait, steal. */
function ofColumns(text: string): string | undefined {
  const words = text.trim().split(/\s+/);
  if ((words.length !== 6 && words.length !== 17) || !words.every((word) => /^[\d.,]{1,12}$/.test(word))) return undefined;
  const numbers = words.map(toNumber);
  const shares = words.length === 6 ? numbers : numbers.slice(-5);
  if (Math.abs(shares.reduce((sum, share) => sum + share, 0) - 100) > 2) return undefined;
  const [one = 0, two = 0, three = 0, four = 0, five = 0] = shares;
  return words.length === 6 ? ofCpus({ busy: one + two + three, wait: four, steal: five }) : ofCpus({ busy: one + two, wait: four, steal: five });
}

/** The one that says most. */
function ofCpus({ busy, wait, steal }: { readonly busy: number; readonly wait: number; readonly steal: number }): string {
  if (steal >= 10) return `host snapshot: cpu steal ${steal.toFixed(1)} %`;
  return wait >= 20 ? `host snapshot: cpu wait ${wait.toFixed(1)} %` : `host snapshot: cpu busy ${busy.toFixed(1)} %`;
}

function toNumber(text: string | undefined): number {
  return Number((text ?? '0').replace(',', '.'));
}
