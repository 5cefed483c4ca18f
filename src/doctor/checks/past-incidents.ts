/** What the audit log has measured: limits that were reached again and again in the last thirty days. */
import { findAuditFiles, readRecords } from '../../healer/audit/query.ts';
import type { AuditRecord } from '../../healer/audit/record.ts';
import type { Check, CheckResult, DoctorContext } from '../check.ts';
import type { Unseen } from '../finding.ts';

const windowMs = 30 * 86_400_000;
/** Twice may be chance. */
const again = 3;

export const pastIncidents: Check = {
  name: 'past-incidents',
  family: 'load',
  deadlineMs: 20_000,
  finds: {
    'limit-reached-again': { severity: 'warning', when: 'three or more incidents of a service within 30 days had one limit or one load as their cause (`capacity.*`, `load.*`), by the audit log' },
  },
  check: async (context, signal) => {
    const folder = context.configuration?.host.audit.folder;
    if (folder === undefined) return { findings: [] };
    const found = await findAuditFiles(context.files.root + folder);
    // before its first run there is none
    if (found.kind === 'none') return { findings: [], ...((await context.files.stat(folder)) && !context.outside.isRoot ? { unseen: [{ subject: 'past incidents', why: found.detail }] } : {}) };
    const counted = new Map<string, Map<string, AuditRecord>>();
    const damaged = new Map<string, Unseen>();
    const files = found.files.map((file) => ({
      ...file,
      onDamaged: (problem: string) => void damaged.set(file.name, { subject: `past incidents in ${file.name}`, why: `the file is damaged (${problem}); "goodgateway audit verify" says where` }),
    }));
    for await (const { record } of readRecords(files, { sinceMs: context.outside.clock.wallMs() - windowMs })) {
      if (signal.aborted) break;
      count(counted, record);
    }
    return { findings: [...counted].flatMap(([key, incidents]) => judge(context, key, [...incidents.values()])), unseen: [...damaged.values()] };
  },
};

/** By service and cause: the incidents, each once. What was only possible is no measurement. */
function count(counted: Map<string, Map<string, AuditRecord>>, record: AuditRecord): void {
  const { event, incident, service, cause, confidence } = record;
  if (!event.startsWith('diagnosis.') || incident === undefined || service === undefined || !/^(capacity|load)\./.test(cause ?? '') || confidence === 'possible') return;
  const key = `${service}: ${cause}`;
  counted.set(key, (counted.get(key) ?? new Map<string, AuditRecord>()).set(incident, record));
}

function judge({ configuration }: DoctorContext, subject: string, incidents: readonly AuditRecord[]): CheckResult['findings'] {
  const last = incidents.at(-1);
  if (incidents.length < again || !last) return [];
  return [
    {
      id: 'limit-reached-again',
      subject,
      what: `It was the cause of ${incidents.length} incidents in 30 days; the last on ${last.ts.slice(0, 10)}.`,
      why: 'Holding requests carries a burst, but not a limit that the daily traffic reaches: with a little more of it visitors wait longer than the gateway holds them.',
      change: `${last.remedy ?? 'see what fills it'} (goodgateway why ${last.incident?.slice(-6)}; goodgateway report --since 30d --service ${last.service})`,
      source: configuration?.host.audit.folder ?? '',
    },
  ];
}
