/** What an administrator does by hand, beside a healer that may be faster. */

export interface Startable {
  processes(): readonly unknown[];
  start(): unknown;
}

/** Starts it where nobody has; that somebody was faster is no error. */
export async function startByHand(service: Startable): Promise<void> {
  if (service.processes().length > 0) return;
  try {
    await service.start();
  } catch (error) {
    if (service.processes().length === 0) throw error;
  }
}
