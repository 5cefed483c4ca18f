/**
 * Hears what happens. The stream may break (goodgateway is restarted, a tunnel is closed): it is said at once, and tried
 * again until it works. A stream that is open but silent counts as broken, because a state comes every second.
 */
import type { AdminRecord, AdminState } from '../core/admin-api.ts';
import { ask } from './api.ts';

export interface Hearer {
  state(state: AdminState): void;
  record(record: AdminRecord): void;
  /** The stream begins, or begins again: records may have been missed before. */
  connected(): void;
  /** `why`: where the listener says so. */
  lost(why?: string): void;
  /** A token is needed. Nothing is tried again before `again` is called. */
  signIn(again: () => void): void;
}

const silentForMs = 6000;
const tryAgainMs = 1000;

/** Goes on for as long as the page is open. */
export function hear(hearer: Hearer): void {
  void begin(hearer);
}

async function begin(hearer: Hearer): Promise<void> {
  const again = (): void => void begin(hearer);
  const answer = await ask<AdminState>('/api/state');
  if (answer.kind === 'sign_in') return hearer.signIn(again);
  if (answer.kind === 'failed') {
    hearer.lost(answer.why);
    setTimeout(again, tryAgainMs);
    return;
  }
  hearer.state(answer.value);
  listen(hearer, again);
}

function listen(hearer: Hearer, again: () => void): void {
  const stream = new EventSource('/api/events');
  let timer: ReturnType<typeof setTimeout>;
  const broken = (): void => {
    clearTimeout(timer);
    stream.close();
    hearer.lost();
    setTimeout(again, tryAgainMs);
  };
  const heard = (): void => {
    clearTimeout(timer);
    timer = setTimeout(broken, silentForMs);
  };
  heard();
  stream.addEventListener('open', () => hearer.connected());
  stream.addEventListener('error', broken);
  stream.addEventListener('state', ({ data }: MessageEvent<string>) => {
    heard();
    hearer.state(JSON.parse(data) as AdminState);
  });
  stream.addEventListener('record', ({ data }: MessageEvent<string>) => hearer.record(JSON.parse(data) as AdminRecord));
}
