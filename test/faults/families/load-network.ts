/** The line to the backend is full of somebody else's packets. */
import { succeed } from '../../support/program.ts';
import type { TestScope } from '../../support/temp-folder.ts';
import type { Scene, Scenes } from '../fault.ts';
import { hog } from '../hog.ts';
import { phpStack } from '../stacks/php.ts';

const [tc, nft] = ['/usr/sbin/tc', '/usr/sbin/nft'];

export const network: Scenes = { 'network-hog': networkHog };

/** Whatever goes to php-fpm's port shares a thin line; the rest of the loopback stays as wide as it is. */
async function networkHog(t: TestScope): Promise<Scene> {
  const { at, fpm } = await phpStack(t, { fpm: { listen: 'tcp' } });
  const port = fpm.address.split(':').at(-1)!;
  await thinLine(t, port);
  const sender = hog(t, ['/usr/bin/perl', '-MSocket', '-e', floods, port]);
  return { at, inject: sender.begin, takeAway: sender.end };
}

/** Two thousand packets of a kilobyte a second, as a video stream or a backup sends them. */
const floods = `
socket(my $to, PF_INET, SOCK_DGRAM, 0) or die;
my $there = sockaddr_in($ARGV[0], inet_aton('127.0.0.1'));
while (1) { send($to, 'x' x 1000, 0, $there) for 1..20; select(undef, undef, undef, 0.01) }`;

async function thinLine(t: TestScope, port: string): Promise<void> {
  const run = (tool: string, words: string): Promise<string> => succeed([tool, ...words.split(' ')]);
  await run(tc, 'qdisc add dev lo root handle 1: htb default 1');
  t.teardown(() => run(tc, 'qdisc del dev lo root'));
  await run(tc, 'class add dev lo parent 1: classid 1:1 htb rate 10gbit quantum 60000');
  await run(tc, 'class add dev lo parent 1: classid 1:2 htb rate 2mbit ceil 2mbit quantum 1500');
  await run(tc, 'qdisc add dev lo parent 1:2 pfifo limit 50');
  const table = `line_${port}`;
  await succeed([nft, `table inet ${table} { chain out { type filter hook output priority 0; policy accept; meta l4proto { tcp, udp } th dport ${port} meta priority set "1:2"; }; }`]);
  t.teardown(() => run(nft, `delete table inet ${table}`));
}
