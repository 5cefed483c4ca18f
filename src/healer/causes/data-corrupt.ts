import type { Cause } from '../leaves.ts';
import { factOf, isAlive, sentences } from './read-case.ts';
import { databaseLine } from './read-datastore.ts';

/**
 * MariaDB or MySQL itself says that its data is damaged. A table marked as crashed counts while the server runs: a
 * start mends many of them, so it is no reason not to start a dead one. A damaged page of InnoDB is.
 */
export const dataCorrupt: Cause = {
  name: 'data.corrupt',
  suspect(file) {
    const page = databaseLine(file, 'data_corrupt');
    const table = isAlive(file) ? databaseLine(file, 'table_crashed') : undefined;
    const line = page ?? table;
    if (!line) return undefined;
    const { name } = file.target;
    return {
      cause: 'data.corrupt',
      confidence: 'certain',
      subject: table && !page ? table.word('table') : name,
      sentence: page ? `${name} says that its data files are damaged.` : `${name} says that the table ${line.word('table')} is damaged.`,
      because: sentences(page, table, factOf(file, 'service_state')),
      against: [],
      remedy: page ? 'Keep the data files as they are; restore a backup, or see innodb_force_recovery. Every further start may make it worse.' : `Repair it: REPAIR TABLE, or mysqlcheck --repair.`,
    };
  },
};
