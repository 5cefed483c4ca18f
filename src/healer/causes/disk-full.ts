import type { Cause } from '../leaves.ts';
import { factsOf, logLine, sentences } from './read-case.ts';

/**
 * Certain when a file system of the service is full and its log complains of that; likely when it is full; possible
 * when only the log says so, because there is room again.
 */
export const diskFull: Cause = {
  name: 'disk.full',
  suspect(file) {
    const full = factsOf(file, 'disk_full');
    const said = logLine(file, 'no_space');
    if (full.length === 0 && !said) return undefined;
    const { name } = file.target;
    const path = full[0]?.word('path');
    return {
      cause: 'disk.full',
      confidence: full.length === 0 ? 'possible' : said ? 'certain' : 'likely',
      subject: path ?? name,
      sentence: path === undefined ? `${name} found no space on a disk; there is some again.` : `The file system of ${path}, which ${name} needs, is full.`,
      because: sentences(...full, said),
      against: [],
      remedy:
        path === undefined
          ? `Find out what filled the disk for a while: logs, backups, uploads.`
          : `Free space on the file system of ${path} (df -h ${path}; df -i ${path}). A restart does not help, and may lose data.`,
    };
  },
};
