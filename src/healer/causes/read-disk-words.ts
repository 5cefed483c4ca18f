/** The kernel's words, in any program's mouth: nothing could be written. ENOSPC, EROFS. */
export function namesDisk(text: string): boolean {
  return /No space left on device|Read-only file system|\bENOSPC\b|\bEROFS\b/.test(text);
}
