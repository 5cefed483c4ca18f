import type { SignatureEntry } from '../config/signature-schema.ts';
import type { Sighting } from './sightings.ts';
import type { Traffic } from './traffic.ts';

/** Fewer requests than this say nothing about who asks most. */
const fewest = 100;
/** So few lines were picked by a person, who saw something in them. */
const picked = { least: 3, most: 20 };

/** What an access log says about who uses the server up; empty where nobody stands out. */
export function trafficSigns({ requests, client, path, crawlers, deepPages, deepPath, guesses, guessedPath }: Traffic): readonly Sighting[] {
  if (deepPages > 0 && deepPages * 5 >= requests) {
    return [sign('access_log.deep_pages', `${deepPath}, page after page`, `${deepPages} of ${requests} requests ask for pages far behind the first one of a list: only crawlers go there.`)];
  }
  if (guesses > 0 && guesses * 5 >= requests) return [sign('access_log.guesses', guessedPath, `${guesses} of ${requests} requests are sent to ${guessedPath}, where passwords are guessed.`)];
  const isPicked = requests >= picked.least && requests <= picked.most;
  if (isPicked && crawlers * 2 >= requests) return [sign('access_log.crawlers', 'crawlers', `${crawlers} of ${requests} requests come from crawlers.`)];
  if (isPicked && client?.requests === requests && path?.requests === requests)
    return [sign('access_log.one_client', client.name, `All ${requests} requests come from ${client.name}, for ${path.name}.`)];
  if (requests < fewest) return [];
  const signs: Sighting[] = [];
  if (client && client.requests * 2 >= requests) signs.push(sign('access_log.one_client', client.name, `${client.name} sent at least ${client.requests} of ${requests} requests.`));
  if (path && path.requests * 10 >= requests * 8) signs.push(sign('access_log.one_path', path.name, `At least ${path.requests} of ${requests} requests are for ${path.name}.`));
  return signs;
}

function sign(id: string, subject: string, meaning: string): Sighting {
  const entry: SignatureEntry = {
    id,
    program: 'access-log',
    patterns: [],
    kind: 'symptom',
    general: false,
    meaning,
    for: [
      { cause: 'load.cpu', weight: 50 },
      { cause: 'app.slow', weight: 20 },
    ],
    against: [],
    confirm: 'Does the load of the machine fall when this client or path is limited? Compare the time of these requests with that of others.',
    remedy: 'Limit the rate on this path (limit_req in nginx) or of this client, then restart workers that are stuck on its requests.',
    avoid: ['Do not raise the number of workers: each more of them serves the crawler.'],
  };
  return { entry, fields: {}, common: {}, subject, text: '', line: 0, time: undefined, count: 1 };
}
