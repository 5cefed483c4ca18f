/** What the lab leaves out, because it cannot be had on a machine of ours without pretending. */
export const notProduced: readonly { readonly fault: string; readonly why: string }[] = [
  { fault: 'a container that is gone, paused or out of memory', why: 'no Docker engine runs on the machines of the project; the type `docker` is tested against a small engine of its own' },
  {
    fault: 'MemoryMax of a systemd unit',
    why: 'the machines of the project have the memory controller in cgroup v1, where a systemd booted for a test cannot use it; the lab makes a memory cgroup itself',
  },
  { fault: 'processes in state D: NFS that is gone, a disk that fails', why: 'needs a device that fails; nothing may be done about it but to tell people' },
  { fault: 'SELinux or AppArmor refuses a socket or a port', why: "the kernel of the project's machines has neither enabled" },
  { fault: 'the table of connection tracking is full', why: 'its size belongs to the whole machine, not to a network namespace' },
  { fault: 'CloudLinux LVE limits of a tenant', why: 'needs its kernel; a full pids cgroup stands for it' },
];
