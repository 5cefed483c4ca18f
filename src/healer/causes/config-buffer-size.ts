/** Headers that are longer than a buffer takes: of an answer for nginx, of a request for uWSGI. */
import type { CaseFile, Cause } from '../leaves.ts';
import { isAlive, logLine, sentences, type Fact } from './read-case.ts';

const tooBig: readonly string[] = ['http_response_header_section_size', 'http_response_header_size'];

/**
 * Certain when the program names its own limit; likely when nginx refused an answer for it: cookies and debug headers
 * may be the application's fault as well as the buffer's. Only possible for our own gateways, which take 128 KiB.
 */
export const configBufferSize: Cause = {
  name: 'config.buffer_size',
  suspect(file) {
    if (!isAlive(file)) return undefined;
    const line = logLine(file, 'uwsgi_header_too_big');
    if (line) return requestTooBig(file, line);
    if (!tooBig.includes(file.symptom.kind)) return undefined;
    const nginx = file.symptom.seenBy === 'nginx_log';
    const directive = file.target.protocol === 'fastcgi' ? 'fastcgi_buffer_size' : 'proxy_buffer_size';
    const { name } = file.target;
    return {
      cause: 'config.buffer_size',
      confidence: nginx ? 'likely' : 'possible',
      subject: nginx ? directive : name,
      sentence: nginx ? `${name} sends answers whose headers are longer than nginx's ${directive} takes.` : `${name} sends answers with more headers than any gateway takes.`,
      because: sentences(file.symptom.text),
      against: [],
      remedy: nginx
        ? `See which page it is and what fills its headers (many Set-Cookie, X-Debug headers, PHP notices); where they are wanted, set ${directive} 16k (or 32k) and ${file.target.protocol === 'fastcgi' ? 'fastcgi_buffers' : 'proxy_buffers'} 8 32k in nginx, then: nginx -t && systemctl reload nginx. A restart of ${name} does not help.`
        : `See which page it is and what fills its headers (many Set-Cookie, X-Debug headers). A restart of ${name} does not help.`,
    };
  },
};

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
