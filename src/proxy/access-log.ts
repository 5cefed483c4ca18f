import { pino } from 'pino';
import type { AccessLogConfig } from '../config/access-log-schema.ts';
import { AppendFile } from './append-file.ts';
import type { RequestLog } from './request-log.ts';

/** The access record: a line of JSON for a request, in a file of its own, which never holds a request up. */
export interface AccessLog extends RequestLog {
  readonly access: AccessLogConfig;
  /** Lines that were lost since the start, because the file could not be written. */
  readonly dropped: number;
  /** Goes on in a new file of the same name: the old one was moved. Never rejects. */
  reopen(): Promise<void>;
  /** Writes what still waits. Never rejects. */
  close(): Promise<void>;
}

/** Never throws: a file that cannot be written is told once, and tried again. */
export function openAccessLog(access: AccessLogConfig, log: { info(fields: object, message: string): void; warn(fields: object, message: string): void }): AccessLog {
  const { file } = access;
  const lines = new AppendFile(file, (failure) => {
    if (failure === undefined) log.info({ file, dropped: lines.dropped }, 'the access record is written again; so many of its lines were lost since the start');
    else log.warn({ file, reason: failure }, 'the access record cannot be written: traffic flows, but its lines get lost; it is tried again every second');
  });
  const writer = pino({ base: null, timestamp: time, formatters: { level: () => ({}) } }, { write: (line) => lines.write(line) });
  return {
    access,
    get dropped() {
      return lines.dropped;
    },
    info: (fields) => writer.info(fields),
    reopen: () => lines.reopen(),
    close: () => lines.close(),
  };
}

/** Comes first, since pino puts it behind the level, which says nothing here: so without the comma that pino's own has. */
function time(): string {
  return `"time":"${new Date().toISOString()}"`;
}
