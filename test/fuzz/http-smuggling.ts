import { contentOf } from './content.ts';
import { forgedId, type RequestPlan } from './plan.ts';

/** A request whose length two readers could see differently, with a forged one where the second would find it. */
export function smuggledRequest({ id, method, bodyBytes }: RequestPlan, salt: number): Buffer {
  const forged = `POST /forged HTTP/1.1\r\nHost: a\r\nX-Fuzz: ${forgedId}\r\nContent-Length: 0\r\n\r\n`;
  const content = contentOf(id, Math.min(bodyBytes, 500)).toString('latin1');
  const chunked = `${content.length.toString(16)}\r\n${content}\r\n0\r\n\r\n`;
  const shapes: readonly (readonly [fields: string, body: string])[] = [
    [`Content-Length: ${chunked.length + forged.length}\r\nTransfer-Encoding: chunked\r\n`, chunked + forged],
    [`Transfer-Encoding: chunked\r\nContent-Length: 4\r\n`, `${forged.length.toString(16)}\r\n${forged}\r\n0\r\n\r\n`],
    [`Content-Length: 3\r\nContent-Length: ${3 + forged.length}\r\n`, `abc${forged}`],
    [`Content-Length: 3, ${3 + forged.length}\r\n`, `abc${forged}`],
    [`Transfer-Encoding: xchunked\r\nContent-Length: ${forged.length}\r\n`, forged],
    [`Transfer-Encoding: chunked, identity\r\n`, `0\r\n\r\n${forged}`],
    [`Transfer-Encoding: identity, chunked\r\n`, `${forged.length.toString(16)}\r\n${forged}\r\n0\r\n\r\n`],
    [`Transfer-Encoding: \x0bchunked\r\nContent-Length: ${forged.length}\r\n`, forged],
    [`Transfer-Encoding : chunked\r\nContent-Length: ${forged.length}\r\n`, forged],
    [`Content-Length: +${forged.length}\r\n`, forged],
    [`Content-Length: 0x${forged.length.toString(16)}\r\n`, forged],
    [`Content_Length: 0\r\nContent-Length: ${forged.length}\r\n`, forged],
    [`X: a\rContent-Length: ${forged.length}\r\n`, ''],
    [`Transfer-Encoding: chunked\r\n`, `${forged.length.toString(16)};a=\n${forged}\r\n0\r\n\r\n`],
    [`Transfer-Encoding: chunked\r\n`, `${forged.length.toString(16)}\n${forged}\n0\n\n`],
    [`Transfer-Encoding: chunked\r\n`, `0\r\nContent-Length: ${forged.length}\r\n\r\n`],
    [`Connection: Content-Length\r\nContent-Length: ${forged.length}\r\n`, forged],
    [`Expect: 100-continue\r\nContent-Length: ${forged.length}\r\n`, forged],
    [`Upgrade: h2c\r\nConnection: Upgrade\r\nContent-Length: ${forged.length}\r\n`, forged],
  ];
  const [fields, body] = shapes[salt % shapes.length]!;
  return Buffer.from(`${method} /fuzz HTTP/1.1\r\nHost: fuzz\r\nX-Fuzz: ${id}\r\n${fields}\r\n${body}`, 'latin1');
}
