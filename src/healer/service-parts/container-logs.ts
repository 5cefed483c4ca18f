import { askEngine, containerPath, refusalText, type ContainerPlace } from './engine.ts';

/** More than some hundred lines of any application. */
const mostBytes = 1024 ** 2;
const keptBytes = 64 * 1024;
const oneLookMs = 2000;

export type ContainerLines = { readonly lines: readonly string[] } | { readonly missing: string };

/**
 * The last lines (at most 500, 64 KiB) that the container wrote to its standard output and error since then (wall
 * time), in the order in which the Engine kept them; or why they cannot be read.
 */
export async function containerLogsTail(place: ContainerPlace, { lines, sinceMs }: { readonly lines: number; readonly sinceMs: number }, signal: AbortSignal): Promise<ContainerLines> {
  const query = { stdout: '1', stderr: '1', tail: String(Math.min(500, lines)), since: String(Math.floor(Math.max(0, sinceMs) / 1000)) };
  const answer = await askEngine(place.api, { method: 'GET', path: containerPath(place, 'logs'), query, timeoutMs: oneLookMs, mostBytes }, signal);
  if (answer.kind !== 'answered') return { missing: answer.why };
  if (answer.status !== 200) return { missing: refusalText(answer) };
  const text = readFrames(answer.body).subarray(-keptBytes).toString('utf8');
  return { lines: text.split(/\r?\n/).filter((line) => line !== '') };
}

/**
 * Takes the Engine's frames off: one byte for the stream (0 to 2), three zeros, four for the length. What a container
 * with a terminal wrote comes bare; what does not begin with a frame is taken as that. A last frame may be cut.
 */
export function readFrames(body: Buffer): Buffer {
  const parts: Buffer[] = [];
  for (let at = 0; at < body.length;) {
    if (at + 8 > body.length) return at === 0 ? body : Buffer.concat(parts);
    if (body[at]! > 2 || body.readUIntBE(at + 1, 3) !== 0) return at === 0 ? body : Buffer.concat(parts);
    const end = at + 8 + body.readUInt32BE(at + 4);
    parts.push(body.subarray(at + 8, end));
    at = end;
  }
  return Buffer.concat(parts);
}
