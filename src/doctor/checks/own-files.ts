/** goodgateway's own files: who may change what it obeys, and who may speak to the healer. */
import { whoMayChange } from '../../config/who-may-change.ts';
import type { Check, CheckResult, DoctorContext } from '../check.ts';

type Found = CheckResult['findings'];

export const ownFiles: Check = {
  name: 'own-files',
  family: 'configuration',
  deadlineMs: 15_000,
  finds: {
    'own-configuration': { severity: 'serious', when: 'goodgateway.yaml, or a file that it names, has a mistake: goodgateway would not start again' },
    'own-file-changeable': { severity: 'serious', when: 'others than root may change goodgateway.yaml, a policy, or a folder above one of them' },
    'own-folder-writable': { severity: 'serious', when: 'others than its owner may write into the folder of the state, of the audit log, or of the sockets' },
    'own-socket-open': { severity: 'serious', when: 'all users of the host may use a socket of the healer' },
  },
  check: async (context) => {
    const { configuration } = context;
    if (!configuration) return { findings: context.mistakes.length === 0 ? [] : [mistaken(context.mistakes)] };
    const files = await Promise.all(configuration.files.map(changeable));
    const { state, audit, runtime } = configuration.host;
    const folders = await Promise.all([...new Set([state, audit.folder, runtime])].map((folder) => writable(context, folder)));
    return { findings: [...files.flat(), ...folders.flat(), ...(await openSockets(context, runtime))] };
  },
};

function mistaken(mistakes: readonly string[]): Found[number] {
  return {
    id: 'own-configuration',
    subject: 'goodgateway',
    what: `Its configuration has ${mistakes.length === 1 ? 'a mistake' : `${mistakes.length} mistakes`}: ${mistakes[0]}`,
    why: 'A running goodgateway keeps what it has; after the next start nginx goes on with the backend alone, and nobody heals it.',
    change: 'goodgateway check, which says of each what was expected',
    source: 'goodgateway check',
  };
}

async function changeable(file: string): Promise<Found> {
  const why = await whoMayChange(file);
  if (why === undefined) return [];
  const [what, change = ''] = why.split(/: (?=ch(?:own|mod) )/);
  return [
    {
      id: 'own-file-changeable',
      subject: file,
      what: `Others may change it: ${what}.`,
      why: 'Whoever may change it decides what a healer with the rights of root does. Policies of mode act are refused because of it.',
      change,
      source: file,
    },
  ];
}

/** A folder may belong to any one user; nobody else is to make or replace files in it. */
async function writable({ files }: DoctorContext, folder: string): Promise<Found> {
  const about = await files.stat(folder);
  if (!about?.isDirectory() || (about.mode & 0o002) === 0 || (about.mode & 0o1000) !== 0) return [];
  return [
    {
      id: 'own-folder-writable',
      subject: folder,
      what: `Every user of the host may write into ${folder}.`,
      why: 'They could replace counters, records or sockets of goodgateway by their own.',
      change: `chmod o-w ${folder}`,
      source: folder,
    },
  ];
}

async function openSockets({ files }: DoctorContext, runtime: string): Promise<Found> {
  const found: Found[number][] = [];
  for (const name of await files.list(runtime)) {
    const path = `${runtime}/${name}`;
    const about = /^(control|healer|operator)/.test(name) ? await files.lstat(path) : undefined;
    if (about?.isSocket() && (about.mode & 0o006) !== 0)
      found.push({
        id: 'own-socket-open',
        subject: path,
        what: `Every user of the host may connect to ${path}.`,
        why: 'Whoever may use it can switch healing off, approve steps, or have services restarted.',
        change: `chmod 0660 ${path}, and see who changed it: goodgateway makes it with 0660`,
        source: path,
      });
  }
  return found;
}
