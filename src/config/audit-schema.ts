/** `audit:` of goodgateway.yaml: the record of what was done, and the evidence that was kept. */
import { z } from 'zod';
import { absolutePath, retention, size } from './values.ts';

export const auditSchema = z
  .strictObject({
    folder: absolutePath().default('/var/log/goodgateway').describe('Where its files are. Trap: when it cannot be written, nothing is done to any service.'),
    keep: retention()
      .prefault('180d')
      .describe(
        'Audit files older than this are removed, whole ones, at the start and whenever a new file begins; each removal is on record. The newest two always stay. Trap: a clock that runs ahead for days makes files old.',
      ),
    keep_size: size()
      .prefault('500MiB')
      .describe(
        'While the audit files take more on the disk (all but the newest two are compressed), the oldest are removed, also before `keep` is over. Trap: one file may grow to 64MiB before it is compressed.',
      ),
    evidence_keep: retention().prefault('14d').describe('Evidence files of incidents that are over are removed after this time; their hash stays in the log.'),
    evidence_keep_size: size().prefault('500MiB').describe('While the evidence of all incidents takes more, that of the oldest is removed, never that of an open one.'),
    checkpoints: z
      .enum(['journal', 'none'], { error: 'expected journal or none' })
      .default('journal')
      .describe(
        'journal: the number and hash of the newest record go to the journal or syslog (by logger), every 5 minutes in which something was written, else every hour, so that `audit verify --journal` sees a cut or rewritten log. Trap: who has root can write to the journal, too; send it to another machine.',
      ),
  })
  .prefault({});

export type AuditConfig = z.output<typeof auditSchema>;
