/**
 * What the proxies' dashboards may ask: reading only. Each answer is JSON text, which the proxy hands to the browser as
 * it is. One question at a time, so that a page that is reloaded all night costs the healer little.
 */
import { join } from 'node:path';
import { questionKinds, type Question } from '../../channel/messages.ts';
import { systemClock } from '../../core/time.ts';
import { readLastRun } from '../../doctor/last-run.ts';
import { findIncident } from '../audit/find-incident.ts';
import { findAuditFiles, summarizeIncidents } from '../audit/query.ts';
import type { OperatorPlace } from '../operators/place.ts';
import { sayPolicy } from '../policy/say-policy.ts';
import { describeStatus } from '../status.ts';
import type { AuditCheck } from './audit-check.ts';

export interface DashboardFolders {
  readonly audit: string;
  readonly state: string;
}

export type AnswerDashboard = (question: Question) => Promise<string>;

/** Questions that may wait for their turn, of all proxies together; more are refused in the answer. */
const mostWaiting = 16;
const pageSize = 50;
/** A page of past incidents looks back so far from the newest of them. */
const lookBackMs = 400 * 86_400_000;

/**
 * Never rejects; `{"error": "…"}` says why there is no answer. `place`: `undefined` while the healer is starting. After
 * each answer comes a pause of the same length: whoever asks on and on takes half of one processor's time at most.
 */
export function createDashboardAnswers(place: () => OperatorPlace | undefined, folders: DashboardFolders, check: AuditCheck): AnswerDashboard {
  let turn: Promise<unknown> = Promise.resolve();
  let waiting = 0;
  return async (question) => {
    if (waiting >= mostWaiting) return JSON.stringify({ error: `the healer is asked too much: ${mostWaiting} questions wait already` });
    waiting += 1;
    let tookMs = 0;
    const answered = turn.then(async () => {
      const beganMs = systemClock.monotonicMs();
      const answer = await answerNow(question, { place: place(), folders, check });
      tookMs = systemClock.monotonicMs() - beganMs;
      return answer;
    });
    turn = answered.then(() => systemClock.sleep(tookMs));
    try {
      return await answered;
    } finally {
      waiting -= 1;
    }
  };
}

interface Sources {
  readonly place: OperatorPlace | undefined;
  readonly folders: DashboardFolders;
  readonly check: AuditCheck;
}

async function answerNow(question: Question, sources: Sources): Promise<string> {
  try {
    return JSON.stringify(await about[question.about](question, sources));
  } catch (error) {
    return JSON.stringify({ error: `the healer could not read it: ${error instanceof Error ? error.message : String(error)}` });
  }
}

/** That one is damaged is said where the log is checked; what the others hold is shown. */
async function findFiles({ audit }: DashboardFolders): ReturnType<typeof findAuditFiles> {
  const found = await findAuditFiles(audit);
  return found.kind === 'none' ? found : { kind: 'found', files: found.files.map((file) => ({ ...file, onDamaged: () => undefined })) };
}

type Answer = (question: Question, sources: Sources) => Promise<object>;

const about: Readonly<Record<(typeof questionKinds)[number], Answer>> = {
  async incidents({ before }, { folders, place }) {
    const found = await findFiles(folders);
    if (found.kind === 'none') return { incidents: [], more: false };
    const nowMs = place?.healer.clock.wallMs() ?? 0;
    const { incidents } = await summarizeIncidents(found.files, { sinceMs: Math.max(0, nowMs - lookBackMs) });
    const older = incidents.filter(({ id }) => before === undefined || id < before).toReversed();
    return { incidents: older.slice(0, pageSize), more: older.length > pageSize };
  },

  async incident({ code = '' }, { folders }) {
    const found = await findFiles(folders);
    const story = found.kind === 'found' ? await findIncident(found.files, code) : undefined;
    return story ?? { error: `no incident ${code} is on record` };
  },

  services: async (_question, { place }) => (place ? describeStatus(place, { recent: true }) : { error: 'the healer is starting; ask again in a moment' }),

  async doctor(_question, { folders }) {
    const run = await readLastRun(join(folders.state, 'doctor.json'));
    return { checked_at: run?.checked_at ?? null, findings: run?.findings ?? [] };
  },

  policies: async (_question, { place }) => ({
    policies: [...(place?.wards.values() ?? [])].map(({ name, policy }) => ({ service: name, mode: policy.mode, description: policy.description ?? null, sentences: sayPolicy(policy) })),
  }),

  audit: async (_question, { check }) => check(),
};
