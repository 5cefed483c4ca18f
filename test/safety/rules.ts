/** The rules that no policy can lift, each in a sentence. Each has at least one test whose name begins with its number. */
export interface SafetyRule {
  readonly number: number;
  readonly name: string;
  readonly says: string;
}

export const safetyRules: readonly SafetyRule[] = [
  { number: 1, name: 'cooldown', says: 'After an incident a service is left in peace for a while, counted from the end of its verification.' },
  { number: 2, name: 'max attempts', says: 'No more than so many attempts in a sliding time, whatever became of them; a restart of goodgateway forgets none.' },
  { number: 3, name: 'back-off', says: 'Within an incident each pause is longer than the one before, with some chance in it; lasting health sets it back.' },
  { number: 4, name: 'ladder', says: 'The lightest step first; the next one only when that did not help and the cause, diagnosed anew, is still the same.' },
  { number: 5, name: 'giving up', says: 'When every step was tried somebody is told, and at most one further attempt is made; then a person decides.' },
  { number: 6, name: 'host budget', says: 'All services of a host together get so many disruptive actions, and so many starts, in an hour.' },
  { number: 7, name: 'blast radius', says: 'Who can disturb more must be surer of the cause. Never a reboot, a removal, a package or a firewall.' },
  { number: 8, name: 'breaker', says: 'When attempts do not help, or many services fail together, goodgateway stops acting and only looks.' },
  { number: 9, name: 'fleet', says: 'Limits are of each host, and pauses differ by chance: many hosts do not act in the same second.' },
  { number: 10, name: 'config test', says: 'No reload and no restart into a configuration that does not pass its own test.' },
  { number: 11, name: 'evidence before action', says: 'What an action would destroy is kept in files before it.' },
  { number: 12, name: 'verify', says: 'Healed is what passes every check and goes on passing; real requests count.' },
  { number: 13, name: 'undo', says: 'What can be taken back is taken back, when it did not help or when the incident ends.' },
  { number: 14, name: 'observe', says: 'A fresh installation does nothing; it writes down what it would have done.' },
  { number: 15, name: 'approval', says: 'An approval is for one action on one run of a service by one policy; when any of them changes it is void.' },
  { number: 16, name: 'pauses', says: 'Maintenance and pauses stop actions, never the look at things, and pauses end by themselves.' },
  { number: 17, name: 'change detection', says: 'While a package manager, a deploy or a job of the supervisor changes the system, nothing is touched.' },
  { number: 18, name: 'deliberate stop', says: 'What was stopped on purpose is not started.' },
  { number: 19, name: 'supervisor first', says: 'systemd and Docker get their own restarts first.' },
  { number: 20, name: 'dependency order', says: 'While what it depends on is in trouble a service is not disturbed; afterwards it gets time to come back by itself.' },
  { number: 21, name: 'fencing', says: 'One healer acts on a host, and only on the very run of the service that it has diagnosed.' },
  { number: 22, name: 'unknown outcome', says: 'An act that began and whose end nobody saw counts, is verified, and is never repeated blindly.' },
  { number: 23, name: 'kill the tree', says: 'A command whose time is over ends with everything that it started.' },
  { number: 24, name: 'least privilege', says: 'The part that speaks to the network has no rights; the part with rights listens to no network.' },
  { number: 25, name: 'no shell, no request data', says: 'Programs are lists with absolute paths that nobody else can change; nothing from a request becomes an argument.' },
  { number: 26, name: 'an empty selector means nothing', says: 'One target by its name: no patterns, no "all", no empty lists.' },
  { number: 27, name: 'humility', says: 'What disturbs needs direct evidence or two signs; where real requests are answered a failed probe is wrong.' },
  { number: 28, name: 'repetition', says: 'What was healed three times in a day is told aloud: the fault is still there.' },
  { number: 29, name: 'step aside for people', says: 'Who works on a service is left alone, and can switch goodgateway off with one command.' },
  { number: 30, name: 'fail safe', says: 'Whatever breaks in goodgateway itself: traffic flows, healing stops, somebody is told.' },
];
