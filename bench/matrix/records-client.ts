/** goodgateway's own FastCGI records, judged as nginx would: what nginx takes for complete is complete, whatever we meant. */
import { connect } from 'node:net';
import type { Address } from '../../src/core/failure.ts';
import { recordType } from '../../src/upstream/fastcgi/record.ts';
import { RecordCollector, requestStart, stdin } from '../../test/fixtures/fastcgi/records.ts';
import type { Reply } from './raw-client.ts';
import { headerOf } from './read-answer.ts';

/** One request on a connection that is not kept. Never rejects. */
export function askFastcgi(to: Address, method: string, body: string | undefined): Promise<Reply> {
  const socket = to.kind === 'unix' ? connect(to.path) : connect(to.port, to.host);
  const seen = new RecordCollector();
  const began = performance.now();
  return new Promise<Reply>((resolve) => {
    const finish = (how: 'end' | 'reset' | 'silence'): void => {
      clearTimeout(timer);
      resolve(reply(seen, how, (performance.now() - began) / 1000));
    };
    const timer = setTimeout(() => finish('silence'), 20_000);
    socket.on('data', (chunk: Buffer) => seen.parser.push(chunk));
    socket.on('end', () => finish('end')).on('error', () => finish('reset'));
    const params = { REQUEST_METHOD: method, REQUEST_URI: '/page.php', SCRIPT_FILENAME: '/srv/page.php', HTTP_ACCEPT: 'text/html', CONTENT_LENGTH: body === undefined ? '' : String(body.length) };
    socket.write(Buffer.concat([requestStart(params, { hasBody: body !== undefined }), ...(body === undefined ? [] : [stdin(body), stdin('')])]));
  }).finally(() => socket.destroy());
}

/** nginx sees a cut in a reset, a record that it cannot read, and a body shorter than announced; a mere end is none. */
function reply(seen: RecordCollector, how: 'end' | 'reset' | 'silence', seconds: number): Reply {
  const text = seen.text(recordType.stdout);
  const split = text.indexOf('\r\n\r\n');
  const [head, body] = split === -1 ? ['', ''] : [text.slice(0, split), text.slice(split + 4)];
  const rest = { interim: [], head, body, seconds };
  if (how === 'silence') return { ...rest, status: 'silent', cut: false };
  if (split === -1) return { ...rest, status: 'closed', cut: false };
  const announced = headerOf(head, 'content-length');
  const short = announced !== undefined && body.length < Number(announced);
  return { ...rest, status: Number(headerOf(head, 'status')?.slice(0, 3) ?? 200), cut: how === 'reset' || seen.parser.broken || short };
}
