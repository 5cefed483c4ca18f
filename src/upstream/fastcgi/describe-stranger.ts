/** Names what listens on a FastCGI port without speaking FastCGI. Returns the end of a sentence about the backend. */
export function describeStranger(bytes: Buffer): string {
  const text = bytes.toString('latin1', 0, 32);
  if (text.startsWith('HTTP/')) return 'answered with HTTP text on a FastCGI port';
  if (text.startsWith('SSH-')) return 'is an SSH server, no FastCGI backend';
  if (text.startsWith('220 ')) return 'is a mail or FTP server, no FastCGI backend';
  if (text.startsWith('-ERR') || text.startsWith('+PONG')) return 'is a Redis server, no FastCGI backend';
  if (bytes[0] === 0x15 && bytes[1] === 0x03) return 'answered with a TLS alert on a FastCGI port';
  return `does not speak FastCGI: its answer begins with ${JSON.stringify(text)}`;
}
