/** How often a process looks whether its supervisor still lives. */
const lookEveryMs = 500;

/**
 * Ends this process when its supervisor has gone without ending it (kill -9): two pairs of processes must not compete
 * for the same sockets. Only where a supervisor said who it is; under systemd nothing happens here.
 */
export function endWithSupervisor(end: () => void): void {
  const supervisor = Number(process.env['GOODGATEWAY_SUPERVISOR'] ?? 0);
  if (supervisor === 0) return;
  const timer = setInterval(() => {
    if (process.ppid === supervisor) return;
    clearInterval(timer);
    end();
  }, lookEveryMs).unref();
}
