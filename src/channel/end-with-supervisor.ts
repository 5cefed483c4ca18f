/** How often a process looks whether its supervisor still lives. */
const lookEveryMs = 500;

/**
 * Ends this process when its supervisor has gone without ending it (kill -9): two pairs of processes must not compete
 * for the same sockets. Only where a supervisor says that it is one; under systemd nothing happens here.
 */
export function endWithSupervisor(end: () => void): void {
  if (process.env['GOODGATEWAY_SUPERVISED'] !== 'yes') return;
  const supervisor = process.ppid;
  const timer = setInterval(() => {
    if (process.ppid === supervisor) return;
    clearInterval(timer);
    end();
  }, lookEveryMs).unref();
}
