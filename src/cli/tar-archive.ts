/** A tar archive of small files in the ustar format, which every tar reads. @see POSIX pax(1), "ustar Interchange Format" */

export interface TarMember {
  /** Relative, at most 100 bytes. */
  readonly name: string;
  readonly bytes: Buffer;
}

const blockBytes = 512;
/** Longest name that a header holds without its second field. */
export const longestName = 100;

/** The archive, not compressed. Members in the order given, mode 0600, owned by root, all of one time. Throws for a name that is too long. */
export function tarArchive(members: readonly TarMember[], timeMs: number): Buffer {
  const parts = members.flatMap(({ name, bytes }) => [header(name, { size: bytes.length, timeMs }), bytes, Buffer.alloc(paddingOf(bytes.length))]);
  return Buffer.concat([...parts, Buffer.alloc(2 * blockBytes)]);
}

function paddingOf(length: number): number {
  return (blockBytes - (length % blockBytes)) % blockBytes;
}

function header(name: string, { size, timeMs }: { readonly size: number; readonly timeMs: number }): Buffer {
  if (Buffer.byteLength(name) > longestName) throw new Error(`the name ${name} is too long for the archive`);
  const block = Buffer.alloc(blockBytes);
  const put = (at: number, text: string): number => block.write(text, at);
  const octal = (value: number, digits: number): string => `${Math.floor(value).toString(8).padStart(digits, '0')}\0`;
  put(0, name);
  put(100, octal(0o600, 7));
  put(108, octal(0, 7));
  put(116, octal(0, 7));
  put(124, octal(size, 11));
  put(136, octal(timeMs / 1000, 11));
  // The checksum counts its own field as blanks.
  put(148, ' '.repeat(8));
  put(156, '0');
  put(257, 'ustar\0');
  put(263, '00');
  put(265, 'root');
  put(297, 'root');
  put(
    148,
    `${octal(
      block.reduce((sum, byte) => sum + byte, 0),
      6,
    )} `,
  );
  return block;
}
