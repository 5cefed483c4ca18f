/** Headers that are longer than a buffer takes: of an answer for nginx, of a request for uWSGI. */
import type { CaseFile, Cause } from '../leaves.ts';
import { factOf, isAlive, logLine, sentences, type Fact } from './read-case.ts';
import { isTooBig } from './read-too-big.ts';

/**
 * Certain when the program names its own limit; likely when nginx, or our own gateway, refused an answer for it: cookies
 * and debug headers may be the application's fault as well as the buffer's. Possible when only the healer's own request
 * met such an answer.
 */
export const configBufferSize: Cause = {
  name: 'config.buffer_size',
  suspect(file) {
    if (!isAlive(file)) return undefined;
    const line = logLine(file, 'uwsgi_header_too_big');
    if (line) return requestTooBig(file, line);
    if (file.symptom.seenBy !== 'nginx_log') return ownLimit(file);
    if (!isTooBig(file.symptom.kind)) return undefined;
    const directive = file.target.protocol === 'fastcgi' ? 'fastcgi_buffer_size' : 'proxy_buffer_size';
    const { name } = file.target;
    return {
      cause: 'config.buffer_size',
      confidence: 'likely',
      subject: directive,
      sentence: `${name} sends answers whose headers are longer than nginx's ${directive} takes.`,
      because: sentences(file.symptom.text),
      against: [],
      remedy: `See which page it is and what fills its headers (many Set-Cookie, X-Debug headers, PHP notices); where they are wanted, set ${directive} 16k (or 32k) and ${file.target.protocol === 'fastcgi' ? 'fastcgi_buffers' : 'proxy_buffers'} 8 32k in nginx, then: nginx -t && systemctl reload nginx. A restart of ${name} does not help.`,
    };
  },
};

/** `sent a header field longer than 64 KiB`: our gateway's limit is fixed, so what is sent has to become less. */
function ownLimit(file: CaseFile): ReturnType<Cause['suspect']> {
  const answer = factOf(file, 'http_answer');
  const probed = isTooBig(answer?.word('failure') ?? '') ? answer : undefined;
  const seen = isTooBig(file.symptom.kind);
  if (!seen && !probed) return undefined;
  const { name } = file.target;
  const text = seen ? file.symptom.text : probed!.text;
  const limit = /longer than (\d{1,6} KiB)/.exec(text)?.[1];
  const what = text.includes('header field longer') ? 'a header' : 'headers';
  return {
    cause: 'config.buffer_size',
    confidence: seen ? 'likely' : 'possible',
    subject: limit === undefined ? "the gateway's limit for headers" : `the gateway's limit of ${limit} for ${what}`,
    sentence: `${name} sends answers with ${what} of more ${limit === undefined ? '' : `than ${limit}, more `}than the gateway takes.`,
    because: sentences(seen && text, probed),
    against: [],
    remedy: `See which page it is and what fills its headers (many Set-Cookie, X-Debug headers). A restart of ${name} does not help.`,
  };
}

function requestTooBig({ target, symptom }: CaseFile, line: Fact): ReturnType<Cause['suspect']> {
  const [size, limit] = [line.number('size') ?? 0, line.number('limit') ?? 0];
  return {
    cause: 'config.buffer_size',
    confidence: symptom.kind === 'connection_terminated' || symptom.kind === 'http_response_incomplete' ? 'certain' : 'likely',
    subject: `buffer-size = ${limit}`,
    sentence: `A request's headers (${size} bytes) are longer than uWSGI's buffer for ${target.name} takes (${limit} bytes).`,
    because: sentences(line, symptom.text),
    against: [],
    remedy: `Set buffer-size = ${Math.min(65_535, Math.max(16_384, 4096 * Math.ceil((size * 1.5) / 4096)))} in uWSGI's configuration, or find the cookies that grow: they are one visitor's, so that only some are hit. A restart alone does not help.`,
  };
}
