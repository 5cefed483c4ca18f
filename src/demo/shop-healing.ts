import { get } from 'node:http';

/** The state of a handful of gateways is some hundred bytes; more is not what we asked for. */
const mostBytes = 64 * 1024;
const longestWaitMs = 1000;

/**
 * What goodgateway's read-only admin address says about its gateways, as JSON text. `{"gateways":{}}` whenever it cannot
 * be had: the shop sells things and does not depend on being watched.
 */
export function askHealing(admin: string | undefined): Promise<string> {
  const nothing = '{"gateways":{}}';
  if (admin === undefined) return Promise.resolve(nothing);
  return new Promise((resolve) => {
    const asking = get(new URL('/state', admin), { signal: AbortSignal.timeout(longestWaitMs) }, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => {
        text += chunk;
        if (text.length > mostBytes) response.destroy(new Error('too much'));
      });
      response.once('end', () => resolve(response.statusCode === 200 && isJson(text) ? text : nothing));
      response.once('error', () => resolve(nothing));
    });
    asking.once('error', () => resolve(nothing));
  });
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
