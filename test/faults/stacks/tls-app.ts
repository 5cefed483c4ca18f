/**
 * An application that speaks HTTPS: `node tls-app.ts FOLDER PORT`, with FOLDER/good.key and .crt. What FOLDER/manner says
 * holds for each new connection: `plain` HTTP, or the certificate `expired`; anything else is well.
 */
import { existsSync, readFileSync } from 'node:fs';
import { createServer as createPlain } from 'node:http';
import { createServer as createSecure } from 'node:https';
import { createServer } from 'node:net';
import { join } from 'node:path';

const [folder = '', port = ''] = process.argv.slice(2);
const answers = { keepAliveTimeout: 60_000 };
const secure = (name: string) =>
  createSecure({ ...answers, key: readFileSync(join(folder, `${name}.key`)), cert: readFileSync(join(folder, `${name}.crt`)) }, (_request, answer) => answer.end('hello'));

const servers = { well: secure('good'), expired: secure('expired'), plain: createPlain(answers, (_request, answer) => answer.end('hello')) };

function manner(): keyof typeof servers {
  const file = join(folder, 'manner');
  const said = existsSync(file) ? readFileSync(file, 'utf8') : '';
  return said === 'plain' || said === 'expired' ? said : 'well';
}

createServer((socket) => servers[manner()].emit('connection', socket)).listen(Number(port), '127.0.0.1');
