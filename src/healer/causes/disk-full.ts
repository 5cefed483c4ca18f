import type { CaseFile, Cause } from '../leaves.ts';
import { factOf, factsOf, isLeftStopped, logLine, sentences, stateOf, type Fact } from './read-case.ts';
import { namesDisk } from './read-disk-words.ts';

/**
 * Certain when a file system of the service is full, or read-only, and its log or its configuration test complains of
 * that; and when the service is down and nothing can be written there at all: whatever it died of, a start would lose
 * what it cannot write. Likely when it is only so; possible when only the log says so, because there is room again. One
 * that it may use, such as /tmp, counts only when the log complains.
 */
export const diskFull: Cause = {
  name: 'disk.full',
  suspect(file) {
    const said = logLine(file, 'no_space') ?? logLine(file, 'storage_readonly');
    const test = factOf(file, 'config_test');
    const refused = test && !test.flag('passed') && namesDisk(test.word('line')) ? test : undefined;
    const counts = (fact: Fact): boolean => fact.word('use') !== 'maybe' || said !== undefined || refused !== undefined;
    const full = factsOf(file, 'disk_full').filter(counts);
    const readOnly = factsOf(file, 'disk_read_only').filter(counts);
    const worst = readOnly[0] ?? full.find(isSpent) ?? full[0];
    if (!worst && !said) return undefined;
    const { name } = file.target;
    const path = worst?.word('path');
    // it would be started now
    const inTheWay = (stateOf(file) === 'failed' || isLeftStopped(file)) && (readOnly.length > 0 || (worst !== undefined && isSpent(worst)));
    const sure = worst !== undefined && (refused !== undefined || (worst.word('use') !== 'maybe' && (said !== undefined || inTheWay)));
    return {
      cause: 'disk.full',
      confidence: !worst ? 'possible' : sure ? 'certain' : 'likely',
      subject: path ?? name,
      sentence:
        path === undefined
          ? `${name} found no space on a disk; there is some again.`
          : readOnly[0]
            ? `Nothing can be written to the file system of ${path}, which ${name} needs: it is read-only.`
            : fullSentence(worst!, name),
      because: sentences(...readOnly, ...full, said, refused, ...(readOnly[0] ? deviceTrouble(file) : []), inTheWay && factOf(file, 'service_state')),
      against: [],
      remedy: path === undefined ? `Find out what filled the disk for a while: logs, backups, uploads.` : readOnly[0] ? readOnlyRemedy(path) : fullRemedy(worst!),
      ...(readOnly[0] ? { avoid: ['To mount it for writing again before the disk was checked may damage what is still whole.', 'A restart cannot write either, and may not come up again.'] } : {}),
    };
  },
};

function isSpent(full: Fact): boolean {
  return full.flag('spent');
}

function fullSentence(full: Fact, name: string): string {
  const path = full.word('path');
  return full.flag('inodes') ? `The file system of ${path}, which ${name} needs, has no room for another file: every inode is used.` : `The file system of ${path}, which ${name} needs, is full.`;
}

function fullRemedy(full: Fact): string {
  const path = full.word('path');
  if (full.flag('inodes'))
    return `Remove files on the file system of ${path}; where most of them are: du --inodes -x ${path} | sort -n | tail. Their size does not matter, and a restart does not help.`;
  return `Free space on the file system of ${path} (df -h ${path}; df -i ${path}). A restart does not help, and may lose data.`;
}

function readOnlyRemedy(path: string): string {
  return `Stop what still writes, save what can be read, and look at the disk: findmnt -T ${path}; dmesg | grep -iE "error|read-only" | tail; smartctl -a on its device.`;
}

/** The kernel makes a file system read-only when its disk fails. */
function deviceTrouble(file: CaseFile): readonly Fact[] {
  return factsOf(file, 'kernel').filter((one) => ['io_error', 'read_only'].includes(one.word('what')));
}
