/** R11: what an action is about to destroy is kept first; what a start leaves as it is, beside it. */
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { ActionName } from '../core/decision.ts';
import { ulid } from '../core/ids.ts';
import { recordFor } from './audit-record-for.ts';
import { captureEvidence, type Captured } from './capture-evidence.ts';
import type { Healer, OpenCase, Ward } from './healer.ts';
import type { ServiceState } from './leaves.ts';
import { retireEvidence } from './retire-evidence.ts';
import { sayOnce } from './say-once.ts';

/** A repair that is tried again and again shows nothing new. */
const mostPerIncident = 5;
/** A pool's warning may come some time before the first request suffers. */
const lookBackMs = 600_000;

interface Place {
  readonly open: OpenCase;
  readonly ward: Ward;
  readonly healer: Healer;
}

/** `undefined`: the action may go on. Else why it may not: the policy wants evidence, and none could be had. Takes at most the policy's time. */
export async function keepEvidence(name: ActionName, state: ServiceState, place: Place): Promise<string | undefined> {
  const action = place.healer.actions.get(name);
  if (!action || action.evidence === 'none') return undefined;
  if (action.evidence === 'beside') {
    place.open.keeping = keepLater(state, place);
    return undefined;
  }
  const captured = await keep(state, place);
  if (!place.ward.policy.evidence.required || captured === 'enough' || (captured.kind === 'kept' && captured.files > 0)) return undefined;
  return `${name} would destroy evidence, and the policy wants it kept first (evidence.required): ${captured.kind === 'kept' ? 'no collector saw anything' : captured.detail}`;
}

/** A start takes some ten milliseconds. */
const laterMs = 500;

/** A start of a dead service destroys nothing, and a dozen looks beside it would only take its processor time. */
async function keepLater(state: ServiceState, place: Place): Promise<void> {
  await place.healer.clock.sleep(laterMs, place.healer.stopping);
  if (!place.healer.stopping.aborted) await keep(state, place);
}

async function keep(state: ServiceState, { open, ward, healer }: Place): Promise<Captured | 'enough'> {
  const target = ward.target();
  const { evidence } = ward.policy;
  const folder = join(target.stateFolder, 'evidence', open.incident.id);
  const before = await readdir(folder).catch(() => []);
  if (before.length >= mostPerIncident) return 'enough';
  const context = { target, state, run: healer.run, sinceMs: Math.max(ward.lastGoodMs, healer.clock.wallMs() - lookBackMs), maxBytes: evidence.max_size, timeoutMs: evidence.timeout };
  const own = join(folder, ulid(healer.clock.wallMs()));
  const captured = await captureEvidence({ folder: own, wanted: evidence.capture, collectors: healer.collectors, context, signal: healer.stopping });
  if (evidence.required && (captured.kind === 'not_kept' || captured.files === 0)) return nothing(captured, own, { open, ward, healer });
  await healer.audit.append({
    ...recordFor(open, ward),
    event: captured.kind === 'kept' ? 'evidence.captured' : 'evidence.failed',
    ...(captured.kind === 'kept' ? { files: { folder: captured.folder, manifest_sha256: captured.manifestSha256, bytes: captured.bytes, count: captured.files } } : {}),
    text: captured.kind === 'kept' ? `${captured.files} files of evidence are kept in ${captured.folder}` : captured.detail,
  });
  await retireEvidence(join(target.stateFolder, 'evidence'), healer, open.incident.id);
  return captured;
}

/** The action waits for evidence and is tried again every second: such a try is none of those that are enough, and is recorded now and then. */
async function nothing(captured: Captured, folder: string, { open, ward, healer }: Place): Promise<Captured> {
  await rm(folder, { recursive: true, force: true }).catch(() => undefined);
  const text = captured.kind === 'kept' ? 'no collector saw anything' : captured.detail;
  if (sayOnce(open, 'evidence.failed', healer)) await healer.audit.append({ ...recordFor(open, ward), event: 'evidence.failed', text });
  return captured;
}
