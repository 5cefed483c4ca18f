/** Is this failure that of an answer which was whole, but whose headers were longer than they may be? */
export function isTooBig(kind: string): boolean {
  return kind === 'http_response_header_section_size' || kind === 'http_response_header_size';
}
