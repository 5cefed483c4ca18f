/**
 * Server-sent events: the state of all gateways every second, and each audit record as it is written. A timer runs only
 * while somebody looks. Who reads too slowly is hung up on, and his browser comes back by itself.
 */
import type { ServerResponse } from 'node:http';

const mostReaders = 32;
const stateEveryMs = 1000;
const mostUnreadBytes = 1024 * 1024;
/** For browsers that come back: after so long. */
const retryMs = 1000;

export class LiveEvents {
  readonly #state: () => string;
  readonly #readers = new Set<ServerResponse>();
  #timer: NodeJS.Timeout | undefined;

  /** `state` gives one line of JSON. */
  constructor(state: () => string) {
    this.#state = state;
  }

  /** Takes the response over, headers included. False, and nothing done, when too many read already. */
  add(response: ServerResponse, headers: Readonly<Record<string, string>>): boolean {
    if (this.#readers.size >= mostReaders) return false;
    response.writeHead(200, { ...headers, 'content-type': 'text/event-stream; charset=utf-8', 'x-accel-buffering': 'no' });
    response.write(`retry: ${retryMs}\n\n${message('state', this.#state())}`);
    this.#readers.add(response);
    response.on('close', () => this.#remove(response));
    this.#timer ??= setInterval(() => this.#send('state', this.#state()), stateEveryMs).unref();
    return true;
  }

  /** One audit record, as its line. */
  record(line: string): void {
    if (this.#readers.size > 0) this.#send('record', line);
  }

  close(): void {
    for (const response of this.#readers) response.end();
  }

  #send(event: string, data: string): void {
    for (const response of this.#readers) if (response.writableLength > mostUnreadBytes) response.destroy();
    for (const response of this.#readers) response.write(message(event, data));
  }

  #remove(response: ServerResponse): void {
    this.#readers.delete(response);
    if (this.#readers.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }
}

/** JSON has no line ends in it, so one `data` line is enough. */
function message(event: string, data: string): string {
  return `event: ${event}\ndata: ${data}\n\n`;
}
