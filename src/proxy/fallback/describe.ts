/** What a journey that ends without an answer has to say: from its failure, the gate's state and the healer's word. */
import { incidentCode } from '../../core/ids.ts';
import type { FailureKind } from '../../core/failure.ts';
import type { TextKey } from '../../config/fallback-texts.ts';
import type { Journey } from '../journey.ts';
import type { RequestNote } from '../request-log.ts';
import type { FallbackContent } from './content.ts';
import { estimate, type Estimate } from './estimate.ts';

export type FallbackReason = 'hold_expired' | 'queue_full' | 'upstream_down' | 'failed' | 'quarantined' | 'shed';

/** A request in quarantine, or turned away, has an incident of its own; for all others it is the gate's. */
export function describe({ request, gateway, note }: Journey, reason: FallbackReason): FallbackContent {
  const { gate, config, clock } = gateway;
  const { state } = gate;
  const closed = state.kind === 'open' ? undefined : state;
  const kind = kindOf(note.failure?.kind ?? closed?.failure, reason);
  const named = (note.quarantined ?? note.shed)?.incident ?? closed?.incident;
  // what is sent again was sent before, whatever became of it
  const sent = note.replays > 0 || note.raced || (note.failure !== undefined && note.failure.resend !== 'always' && note.failure.bytesWritten !== 0);
  const reads = request.method === 'GET' || request.method === 'HEAD';
  const isUpload = note.failure?.source === 'downstream';
  const { retryMs, usual } = retryOf(note) ?? estimate(gate, clock.monotonicMs());
  const { words, ownWords } = whatIsDone(note.shed ? note.shed.say : (closed?.say ?? ''));
  const retryAfterSeconds = Math.max(1, Math.ceil(retryMs / 1000));
  return {
    status: isUpload ? 408 : config.fallback.status === 'exact' ? exactStatus(kind) : 503,
    kind,
    details: reason === 'shed' ? 'load shed' : undefined,
    sentences: isUpload ? ['incomplete'] : reason === 'quarantined' ? ['quarantined'] : [whatHappened(kind, reason), ...words],
    ownWords: isUpload || reason === 'quarantined' ? '' : ownWords,
    advice: reads ? [] : sent ? ['processed'] : reason === 'quarantined' ? ['not_processed'] : ['not_processed', 'send_again'],
    mayHaveBeenProcessed: sent && !reads,
    code: named ? incidentCode(named) : request.id,
    retryAfterSeconds,
    refreshSeconds: reads && reason !== 'quarantined' ? refreshSeconds(retryAfterSeconds) : undefined,
    usual: isUpload ? undefined : usual,
  };
}

function kindOf(failure: FailureKind | undefined, reason: FallbackReason): FailureKind {
  if (reason === 'quarantined' || reason === 'shed') return 'http_request_denied';
  if (reason === 'queue_full' || (reason === 'hold_expired' && failure === undefined)) return 'connection_limit_reached';
  return failure ?? 'destination_unavailable';
}

function exactStatus(kind: FailureKind): FallbackContent['status'] {
  switch (kind) {
    case 'destination_unavailable':
    case 'connection_limit_reached':
    case 'http_request_denied':
      return 503;
    case 'connection_timeout':
    case 'connection_write_timeout':
    case 'http_response_timeout':
    case 'dns_timeout':
      return 504;
    case 'proxy_configuration_error':
    case 'proxy_internal_error':
      return 500;
    default:
      return 502;
  }
}

function whatHappened(kind: FailureKind, reason: FallbackReason): TextKey {
  if (reason === 'queue_full' || reason === 'shed') return 'busy';
  return kind === 'connection_limit_reached' || kind === 'http_response_timeout' || kind === 'connection_timeout' ? 'slow' : 'unavailable';
}

/** What the healer says to visitors by itself, which is translated. All else that it says are the administrator's words. */
const healersWords: Readonly<Record<string, TextKey>> = {
  'it is being repaired right now': 'repairing',
  'it will be repaired soon': 'repaired_soon',
  'it was stopped on purpose': 'stopped',
  'somebody has been told': 'told',
};

function whatIsDone(say: string): { readonly words: readonly TextKey[]; readonly ownWords: string } {
  const known = Object.hasOwn(healersWords, say) ? healersWords[say] : undefined;
  return known === undefined ? { words: [], ownWords: say } : { words: [known], ownWords: '' };
}

/** Whoever is turned away comes back up to a quarter later than asked, so that not all come in one second. */
const shedSpread = 0.25;

/** Where the healer said itself when to ask again. */
function retryOf({ quarantined, shed }: RequestNote): Estimate | undefined {
  if (quarantined) return { retryMs: quarantined.forMs, usual: undefined };
  return shed && { retryMs: shed.retryAfterMs * (1 + shedSpread * Math.random()), usual: undefined };
}

/** Whoever reads the page, or has it read aloud, needs some seconds before it is replaced; a minute is soon enough. */
const soonestRefreshSeconds = 5;
const latestRefreshSeconds = 60;

/** Up to half as long again, so that not everybody comes back in the same second. */
function refreshSeconds(retryAfterSeconds: number): number {
  const base = Math.min(latestRefreshSeconds, Math.max(soonestRefreshSeconds, retryAfterSeconds));
  return Math.round(base * (1 + Math.random() / 2));
}
