/** MariaDB's recovery from a crash, made so slow that others can look at it. */
import { units, type DebianHost } from './debian-host.ts';

/** A page that waits until MariaDB greets it. */
export const waitsForTheDatabase = `<?php
for (;;) {
  $db = @stream_socket_client("unix:///run/mysqld/mysqld.sock");
  if ($db && strlen(fread($db, 100)) > 20) break;
  usleep(100000);
}
echo "sold";`;

/** Some 40 MB of log to apply. */
const orders = 40_000;

/** MariaDB is killed with much in its log that is in no table yet; its own supervisor starts it, on a disk that is slow. */
export async function crash(host: DebianHost): Promise<void> {
  await host.shell(`mariadb -e "create database shop; create table shop.orders (id int primary key, text text)"`);
  await host.shell(`mariadb -e "use shop; insert into orders select seq, repeat(md5(seq), 30) from seq_1_to_${orders}"`);
  await host.write('/run/gg/slow', slowDisk);
  await host.killMain('mariadb');
  await host.shell('sh /run/gg/slow > /run/gg/slow.log 2>&1 &');
}

/** Lets it work for a hundredth of the time, as long as its start is under way and nobody says enough. */
const slowDisk = `
while [ ! -e /run/gg/enough ]; do
  pid=$(systemctl show --value --property MainPID ${units.mariadb})
  if [ "$pid" != 0 ] && [ "$(systemctl show --value --property ActiveState ${units.mariadb})" = activating ]; then
    kill -STOP $pid; sleep 0.5; kill -CONT $pid; echo slow
  fi
  sleep 0.005
done`;

/** The disk is fast again; resolves when it has recovered, with everything in it. */
export async function mend(host: DebianHost): Promise<void> {
  await host.write('/run/gg/enough', '');
  await host.recovered('mariadb');
  const slowed = (await host.shell('cat /run/gg/slow.log')).split('slow').length - 1;
  if (slowed < 3) throw new Error(`expected its start to be under way for some seconds, it was over after ${slowed} looks`);
  const rows = (await host.shell('mariadb --batch --skip-column-names -e "select count(*) from shop.orders"')).trim();
  if (rows !== String(orders)) throw new Error(`expected ${orders} rows to come back from the log, got ${rows}`);
}
