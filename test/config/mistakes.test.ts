/**
 * Every mistake is found at its exact place, once. Each row changes one thing in a configuration that is right;
 * ▸ stands before the character where the problem must be reported and is removed before the file is written.
 */
import t from 'tap';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { loadConfiguration } from '../../src/config/load.ts';
import { formatProblem } from '../../src/config/problem.ts';
import { address, command, duration, name, oneOrMany } from '../../src/config/values.ts';
import { isRoot } from '../support/skip.ts';

const bindings = {
  actionOptions: {
    start: z.strictObject({}),
    restart: z.strictObject({}),
    reload: z.strictObject({}),
    switch_upstream: z.strictObject({ only_to: oneOrMany(address()).optional() }),
    page: z.strictObject({}),
    wait: z.strictObject({ at_most: duration().default(60_000) }),
    shed_load: z.strictObject({}),
    terminate_orphans: z.strictObject({}),
    terminate_stuck_workers: z.strictObject({}),
    wait_for: z.strictObject({ services: oneOrMany(name()) }),
    notify: z.strictObject({ to: oneOrMany(name()).optional() }),
    run: z.strictObject({ command: command() }),
    reset_failed_and_start: z.strictObject({}),
  },
};

const host = `version: 1
gateways:
  shop:
    listen: unix:/run/goodgateway/shop.sock
    protocol: fastcgi
    upstream: unix:/run/php/php8.2-fpm.sock
    service: php-fpm
    hold: { for: 15s, requests: 200 }
    also_allowed: [unix:/run/php/spare.sock]
    concurrency: auto
  blog:
    listen: [127.0.0.1:9001, unix:/run/goodgateway/blog.sock]
    protocol: http
    upstream: 127.0.0.1:7080
    service: apache
policies: [php-fpm.yaml, more.yaml]
audit: { folder: /var/log/goodgateway }
notifiers:
  ops: { type: log }
`;

const policy = `version: 1
name: php-fpm
mode: observe
service:
  type: systemd
  unit: php8.2-fpm.service
  config_test: [/usr/sbin/php-fpm8.2, -t]
detect:
  - name: refused
    if: [connection_refused, no_answer]
    for: { times: 3, within: 10s }
rules:
  - name: Crashed, so start it
    when: { cause: service.crashed, confidence: likely }
    try:
      - do: start
        timeout: 30s
  - name: Busy is not broken
    when: { cause: [capacity.workers_exhausted] }
    never: [restart]
    try:
      - do: wait
        with: { at_most: 5m }
limits:
  cooldown: 60s
  max_attempts: { times: 3, within: 1h }
verify:
  checks:
    - connect: ok
    - http: { url: "http://127.0.0.1:7080/", status: "200-399" }
notify: { to: [ops] }
`;

const more = `version: 1
policies:
  - name: apache
    mode: observe
    service: { type: systemd, unit: apache2.service }
  - name: mariadb
    mode: observe
    service: { type: external }
`;

const written = { 'goodgateway.yaml': host, 'php-fpm.yaml': policy, 'more.yaml': more };
type File = keyof typeof written;

/** What the mistake is, what is replaced, by what, and words of the message; with `$` after them, its last words. */
type Row = readonly [what: string, right: string, wrong: string, message: string];

const inPolicy: readonly Row[] = [
  ['a misspelt key', '  cooldown: 60s', '  ▸cooldwn: 60s', 'unknown key `cooldwn`: did you mean `cooldown`?'],
  ['a key with swapped letters', '  unit: php', '  ▸uint: php', 'did you mean `unit`?'],
  ['a key that is nothing like any other', '    never: [restart]', '    ▸colour: [restart]', 'allowed here: name, when, never, try, notify'],
  ['a key one level too high', 'limits:\n', '▸max_attempts: { times: 3, within: 1h }\nlimits:\n', 'unknown key `max_attempts`'],
  ['an unknown unit', 'timeout: 30s', 'timeout: ▸30sec', 'got "30sec": did you mean `30s`?'],
  ['a space before the unit', 'timeout: 30s', 'timeout: ▸30 s', 'did you mean `30s`?'],
  ['a number without unit', 'within: 10s', 'within: ▸10', 'within: expected a duration with its unit, such as 500ms, 15s, 5m or 1h, got 10: the unit is missing$'],
  ['what is no duration at all', 'within: 10s', 'within: ▸soon', 'or 1h, got "soon"$'],
  ['a negative duration', 'within: 10s', 'within: ▸-10s', 'expected a duration with its unit'],
  ['a duration that no timer can wait', 'cooldown: 60s', 'cooldown: ▸40d', 'cooldown: expected at most 24d'],
  ['an unknown cause', 'cause: service.crashed', 'cause: ▸service.crash', 'did you mean `service.crashed`?'],
  ['half of a cause', 'cause: service.crashed', 'cause: ▸crashed', 'did you mean `service.crashed`?'],
  ['an unknown cause in a list', '[capacity.workers_exhausted]', '[unknown, ▸capacity.worker_exhausted]', 'did you mean `capacity.workers_exhausted`?'],
  ['an unknown action', 'do: start', 'do: ▸strat', 'do: expected the name of an action, got "strat": did you mean `start`?'],
  ['an action that is not built', 'do: start', 'do: ▸stop', 'not yet: the action stop'],
  ['an unknown action under never', 'never: [restart]', 'never: [▸kill]', 'never: expected the name of an action, got "kill"'],
  ['an unknown failure kind', '[connection_refused, no', '[▸connection_refuse, no', 'did you mean `connection_refused`?'],
  ['an unknown group of kinds', 'no_answer]', '▸no_anwser]', 'did you mean `no_answer`?'],
  ['a wrong confidence', 'confidence: likely', 'confidence: ▸sure', 'expected possible, likely or certain, got "sure"'],
  ['a wrong mode', 'mode: observe', 'mode: ▸observ', 'got "observ": did you mean `observe`?'],
  ['a missing mode', 'mode: observe\n', '', 'missing key `mode`'],
  ['a missing key inside a map', '  unit: php8.2-fpm.service\n', '', 'missing key `unit`'],
  ['a missing key of a rule', '  - name: Busy is not broken\n    when', '  - ▸when', 'missing key `name`'],
  ['a misspelt required key', 'name: php-fpm', '▸nam: php-fpm', 'did you mean `name`?'],
  ['an unknown type', 'type: systemd', 'type: ▸sytemd', 'did you mean `systemd`?'],
  ['a pattern instead of one container', 'type: systemd\n  unit: php8.2-fpm.service', 'type: docker\n  container: ▸shop-*', 'expected the name of one container'],
  ['a missing type', '  type: systemd\n', '', 'missing key `type`'],
  ['a pattern instead of one unit', 'unit: php8.2-fpm.service', 'unit: ▸php*.service', 'expected one unit name'],
  ['a command as a shell line', 'config_test: [/usr/sbin/php-fpm8.2, -t]', 'config_test: ▸php-fpm8.2 -t', 'expected a command as a list'],
  ['a program without its folder', '[/usr/sbin/php-fpm8.2, -t]', '[▸php-fpm8.2, -t]', 'expected the program as an absolute path'],
  ['a number in a command', '[/usr/sbin/php-fpm8.2, -t]', '[/usr/sbin/php-fpm8.2, ▸8]', 'put numbers in quotes'],
  ['an unknown option of an action', '{ at_most: 5m }', '{ ▸at_mst: 5m }', 'did you mean `at_most`?'],
  ['a wrong option of an action', '{ at_most: 5m }', '{ at_most: ▸5 }', 'the unit is missing'],
  ['an option for an action that has none', '        timeout: 30s', '        with: { ▸force: true }', 'unknown key `force`'],
  ['an unknown check', '- connect: ok', '- ▸conect: ok', 'unknown key `conect`: did you mean `connect`?'],
  ['a wrong check', '- connect: ok', '- connect: ▸okay', 'expected ok, got "okay"'],
  ['two checks in one', '- connect: ok', '- connect: ok\n      ▸unit: active', 'unknown key `unit`'],
  ['a check that is text', '- connect: ok', '- ▸connect', 'expected one of: service: running'],
  ['a mistake inside a check', 'status: "200-399"', 'status: ▸200', 'expected text'],
  ['a wrong URL', '"http://127.0.0.1:7080/"', '▸"https://127.0.0.1/"', 'expected a URL such as'],
  ['a number out of range', 'times: 3, within: 1h', 'times: ▸0, within: 1h', 'times: expected at least 1, got 0'],
  ['half a number', 'times: 3, within: 1h', 'times: ▸1.5, within: 1h', 'expected a whole number, got 1.5'],
  ['a text for a number', 'times: 3, within: 1h', 'times: ▸many, within: 1h', 'expected a number, got "many"'],
  ['an empty list', 'try:\n      - do: start\n        timeout: 30s', 'try: ▸[]', 'expected at least one step'],
  ['a key with nothing after it', 'limits:\n  cooldown: 60s\n  max_attempts: { times: 3, within: 1h }', '▸limits:', 'expected keys and values below it, got nothing'],
  ['a list for a map', 'notify: { to: [ops] }', 'notify: ▸[ops]', 'expected keys and values below it, got a list'],
  ['an unknown notifier', 'notify: { to: [ops] }', 'notify: { to: [ops, ▸opps] }', 'no notifier has the name `opps`: did you mean `ops`?'],
  ['a notifier like no other', 'notify: { to: [ops] }', 'notify: { to: [▸developers] }', 'no notifier has the name `developers`; there are ops'],
  ['two rules of one name', '- name: Busy is not broken', '- name: ▸Crashed, so start it', 'name: this policy has a rule "Crashed, so start it" already'],
  ['a step that its rule forbids', 'never: [restart]\n    try:\n      - do: wait', 'never: [wait]\n    try:\n      - do: ▸wait', 'do: `never` of this rule forbids wait'],
  ['an undo of what cannot be undone', 'do: start', 'do: start\n        undo: ▸automatic', 'undo: start cannot be taken back, only shed_load and switch_upstream can'],
  [
    'a step that the policy forbids',
    'rules:\n  - name: Crashed, so start it\n    when: { cause: service.crashed, confidence: likely }\n    try:\n      - do: start',
    'never: [start]\nrules:\n  - name: Crashed, so start it\n    when: { cause: service.crashed, confidence: likely }\n    try:\n      - do: ▸start',
    'do: `never` of the policy forbids start',
  ],
  [
    'a rule that is never reached',
    '  - name: Busy is not broken\n    when: { cause: [capacity.workers_exhausted] }',
    '  - name: Busy is not broken\n    ▸when: { cause: service.crashed, confidence: certain }',
    'when: never reached, because the rule "Crashed, so start it" above',
  ],
  [
    'a second rule for the unknown',
    '    when: { cause: service.crashed, confidence: likely }\n    try:\n      - do: start\n        timeout: 30s\n  - name: Busy is not broken\n    when: { cause: [capacity.workers_exhausted] }',
    '    when: { cause: unknown, confidence: certain }\n    try: [{ do: start }]\n  - name: Busy is not broken\n    ▸when: { cause: [unknown], confidence: possible }',
    'when: never reached',
  ],
  [
    'a switch to where no gateway may go',
    '      - do: start\n        timeout: 30s',
    '      - do: switch_upstream\n        with: { only_to: [unix:/run/php/php8.2-fpm.sock, unix:/run/php/spare.sock, ▸127.0.0.1:9000] }',
    'only_to: no gateway of php-fpm may go to 127.0.0.1:9000: add it to also_allowed',
  ],
  [
    'a service that nobody can wait for',
    'do: wait\n        with: { at_most: 5m }',
    'do: wait_for\n        with: { services: [mariadb, ▸mariadbd] }',
    'services: no policy has the name `mariadbd`: did you mean `mariadb`?',
  ],
  [
    'a service like no other',
    'do: wait\n        with: { at_most: 5m }',
    'do: wait_for\n        with: { services: ▸elasticsearch }',
    'no policy has the name `elasticsearch`; there are php-fpm, apache, mariadb',
  ],
  ['who waits for itself', 'do: wait\n        with: { at_most: 5m }', 'do: wait_for\n        with: { services: [▸php-fpm] }', 'services: php-fpm cannot wait for itself'],
  ['an unknown receiver of a notice', 'do: wait\n        with: { at_most: 5m }', 'do: notify\n        with: { to: [ops, ▸opps] }', 'no notifier has the name `opps`: did you mean `ops`?'],
  ['a probe as a symptom', '[connection_refused, no_answer]', '▸probe_failed', 'not yet: failed probes'],
  ['a unit as a symptom', '[connection_refused, no_answer]', '[▸unit_failed]', 'not yet: failed units'],
  ['a silence as a symptom', '[connection_refused, no_answer]', '[▸no_progress]', 'a silence is always looked into, after hung_after'],
  ['a collector that there is not', 'limits:\n', 'evidence: { capture: [▸core_dump] }\nlimits:\n', 'expected the name of a collector'],
  ['an event that there is not', 'notify: { to: [ops] }', 'notify: { to: [ops], events: [▸gaveup] }', 'did you mean `gave_up`?'],
  ['a look without a pause', 'limits:\n', 'watch: { every: ▸99ms }\nlimits:\n', 'every: expected at least 100ms'],
  ['connects without a pause', 'limits:\n', 'watch: { connect_every: ▸0s }\nlimits:\n', 'connect_every: expected at least 100ms'],
  ['a verification without time', 'verify:\n', 'verify:\n  within: ▸0s\n', 'within: expected more than 0s'],
  ['the hold time in the policy', 'limits:\n', 'while_recovering: { ▸hold_requests: 5s }\nlimits:\n', 'this is set by hold.for of the gateway'],
  ['a question as an event', 'notify: { to: [ops] }', 'notify: { to: [ops], events: [▸approval] }', 'expected started, recovered, gave_up, blocked, repeated'],
  ['R26 empty selector: nobody to tell', 'notify: { to: [ops] }', 'notify: { to: ▸[] }', 'to: expected at least one name; somebody must be told'],
  ['R26 empty selector: a rule that tells nobody', '    never: [restart]\n', '    never: [restart]\n    notify: ▸[]\n', 'notify: expected at least one name'],
  ['R26 empty selector: depends on an empty list', 'limits:\n', 'depends_on: ▸[]\nlimits:\n', 'depends_on: expected at least one name; remove the line where it depends on nothing'],
  ['R26 empty selector: nobody to look at', 'limits:\n', 'after_recovery: { recheck: ▸[] }\nlimits:\n', 'recheck: expected at least one name'],
  ['R26 empty selector: nothing to restart', 'limits:\n', 'after_recovery: { restart: ▸[] }\nlimits:\n', 'restart: expected at least one name'],
  ['R26 empty selector: a rule without a cause', 'cause: [capacity.workers_exhausted]', 'cause: ▸[]', 'expected at least one entry'],
  ['R26 empty selector: nobody to ask', '        timeout: 30s', '        approval: { from: ▸[] }', 'from: expected at least one receiver'],
  ['R26 empty selector: a pattern of units', 'unit: php8.2-fpm.service', 'unit: ▸php*.service', 'expected one unit name such as php8.2-fpm.service, got "php*.service"'],
  ['R26 empty selector: all units', 'unit: php8.2-fpm.service', 'unit: ▸all.service', 'unit: expected exactly one, and got "all.service": "all" names more than one service, or none'],
  [
    'R26 empty selector: a pattern of scripts',
    '  type: systemd\n  unit: php8.2-fpm.service',
    '  type: init\n  script: ▸/etc/init.d/php*\n  pidfile: /run/php.pid',
    'script: expected exactly one, and got "/etc/init.d/php*": "*" may match more than one service',
  ],
  [
    'R26 empty selector: a pattern of pidfiles',
    '  type: systemd\n  unit: php8.2-fpm.service',
    '  type: init\n  script: /etc/init.d/php\n  pidfile: ▸/run/php-[0-9].pid',
    'pidfile: expected exactly one',
  ],
  ['R26 empty selector: all containers', '  type: systemd\n  unit: php8.2-fpm.service', '  type: docker\n  container: ▸all', 'container: expected exactly one'],
  ['a service that it depends on and that there is not', 'limits:\n', 'depends_on: [apache, ▸mariabd]\nlimits:\n', 'depends_on: no policy has the name `mariabd`: did you mean `mariadb`?'],
  ['a service to look at that there is not', 'limits:\n', 'after_recovery: { recheck: [▸shop] }\nlimits:\n', 'recheck: no policy has the name `shop`; there are php-fpm, apache, mariadb'],
  ['a service to restart that there is not', 'limits:\n', 'after_recovery: { restart: [▸apche] }\nlimits:\n', 'restart: no policy has the name `apche`: did you mean `apache`?'],
  ['a service that waits for itself', 'limits:\n', 'depends_on: [▸php-fpm]\nlimits:\n', 'depends_on: `php-fpm` is this service itself: it would wait for itself'],
  ['a service that restarts itself', 'limits:\n', 'after_recovery: { restart: [▸php-fpm] }\nlimits:\n', 'restart: `php-fpm` is this service itself: it would restart itself without end'],
  ['a receiver of a rule that there is not', '    never: [restart]\n', '    never: [restart]\n    notify: [▸opps]\n', 'notify: no notifier has the name `opps`: did you mean `ops`?'],
  ['a question to nobody', '        timeout: 30s', '        approval: { from: [ops, ▸dba] }', 'from: no notifier has the name `dba`; there are ops'],
  [
    'more attempts than the host allows',
    'max_attempts: { times: 3, within: 1h }',
    'max_attempts: { times: ▸37, within: 90m }',
    "times: 37 attempts within 90m are looser than the host's limits, which allow at most 36 in that time (safety.host_budget: 12 starts and 6 disruptive actions)",
  ],
  [
    'a restart of what is busy',
    '    never: [restart]\n    try:\n      - do: wait\n        with: { at_most: 5m }',
    '    try: [{ do: page }, { do: ▸restart }]',
    'do: restart does harm while the cause is capacity.workers_exhausted: a busy, healthy service is never disturbed',
  ],
  [
    'workers ended where all are busy',
    '    never: [restart]\n    try:\n      - do: wait\n        with: { at_most: 5m }',
    '    try: [{ do: ▸terminate_stuck_workers }]',
    'do: terminate_stuck_workers does harm',
  ],
  [
    'a start of what was stopped on purpose',
    'cause: service.crashed, confidence: likely }\n    try:\n      - do: start',
    'cause: [service.crashed, service.stopped_by_operator] }\n    try:\n      - do: ▸start',
    'do: start does harm while the cause is service.stopped_by_operator: what was stopped on purpose is never started',
  ],
  [
    'a restart of what waits in a queue, asking nobody',
    'cause: [capacity.workers_exhausted] }\n    never: [restart]\n    try:\n      - do: wait\n        with: { at_most: 5m }',
    'cause: [capacity.backlog_full] }\n    try: [{ do: ▸restart }]',
    'only a person may decide so: add `approval` to the step',
  ],
  [
    'a restart into a broken configuration',
    'cause: [capacity.workers_exhausted] }\n    never: [restart]\n    try:\n      - do: wait\n        with: { at_most: 5m }',
    'cause: config.invalid }\n    try: [{ do: ▸reload }]',
    'do: reload does harm while the cause is config.invalid: it would not come up again',
  ],
  ['shedding that never ends', '        timeout: 30s', '        timeout: 30s\n      - do: shed_load\n        undo: ▸never', 'undo: shed_load ends with its incident in any case'],
  ['a command as a line', 'config_test: [/usr/sbin/php-fpm8.2, -t]', 'config_test: ▸/usr/sbin/php-fpm8.2 -t', 'expected a command as a list, such as [/usr/sbin/nginx, -t]'],
  [
    'a command as a line in a list',
    'config_test: [/usr/sbin/php-fpm8.2, -t]',
    'config_test: [▸"/usr/sbin/php-fpm8.2 -t"]',
    'config_test: expected the program alone, and each argument as an entry of its own: [/usr/sbin/php-fpm8.2, -t]',
  ],
  ['a line for a shell', 'config_test: [/usr/sbin/php-fpm8.2, -t]', 'config_test: [/bin/sh, ▸-c, "php-fpm8.2 -t && true"]', 'config_test: a line for a shell is refused'],
  [
    'a line for a shell behind another program',
    'config_test: [/usr/sbin/php-fpm8.2, -t]',
    'config_test: [/usr/bin/env, LANG=C, bash, -e, ▸-lc, "php-fpm8.2 -t"]',
    'config_test: a line for a shell is refused',
  ],
  ['a line for the shell of another user', 'config_test: [/usr/sbin/php-fpm8.2, -t]', 'config_test: [/usr/bin/su, www-data, ▸-c, "php-fpm8.2 -t"]', 'config_test: a line for a shell is refused'],
  ['a line that env takes apart', 'config_test: [/usr/sbin/php-fpm8.2, -t]', 'config_test: [/usr/bin/env, ▸-S, "bash -c true"]', 'config_test: a line for a shell is refused'],
  ['a program by a relative path', 'config_test: [/usr/sbin/php-fpm8.2, -t]', 'config_test: [▸php-fpm8.2, -t]', 'expected the program as an absolute path'],
  ['a wrong version', 'version: 1', 'version: ▸2', 'version: expected 1, got 2'],
  ['a name that is a number', 'name: php-fpm', 'name: ▸8.2', 'expected a name, got 8.2'],
  ['a duplicate key', '  cooldown: 60s', '  cooldown: 60s\n  ▸cooldown: 70s', 'duplicate key `cooldown`'],
  ['tabs that indent a whole map', 'verify:\n  checks:', 'verify:\n▸\tchecks:', 'a tab in the indentation: use spaces'],
  ['a tab in the indentation', '  cooldown: 60s', '▸\tcooldown: 60s', 'a tab in the indentation: use spaces'],
  ['an anchor', 'cooldown: 60s', 'cooldown: ▸&minute 60s', 'anchors (&)'],
  ['an alias', 'cooldown: 60s', 'cooldown: ▸*minute', 'aliases (*)'],
  ['an alias instead of a map', 'notify: { to: [ops] }', 'notify: ▸*everyone', 'aliases (*)'],
  ['a tag', 'name: php-fpm', 'name: ▸!!str php-fpm', 'tags (!)'],
  ['a merge key', '  cooldown: 60s', '  ▸<<: { cooldown: 60s }', 'merge keys (<<)'],
  ['a directive', 'version: 1\n', '▸%YAML 1.1\n---\nversion: 1\n', 'directives (%)'],
  ['no blank behind a colon', '  cooldown: 60s', '  ▸cooldown:60s', 'expected a key, a colon and a blank'],
  ['no colon', 'name: php-fpm', '▸name php-fpm', 'expected a key, a colon and a blank'],
  ['an open bracket', 'notify: { to: [ops] }\n', 'notify: { to: [ops ▸}\n', 'not YAML'],
  ['a colon without quotes', 'name: Crashed, so start it', 'name: ▸Crashed: so start it', 'not in quotes'],
  ['a reserved character', 'name: php-fpm', 'name: ▸@php', 'not YAML'],
];

const external = 'mode: observe\n    service: { type: external }';
const inList: readonly Row[] = [
  ['two policies of one name in a list', 'name: mariadb', 'name: ▸apache', 'name: there is a policy `apache` already'],
  ['the name of a policy in another file', 'name: mariadb', 'name: ▸php-fpm', 'name: there is a policy `php-fpm` already'],
  ['a misspelt key in a list', 'mode: observe\n    service: { type: ext', '▸mdoe: observe\n    service: { type: ext', 'did you mean `mode`?'],
  [
    'a start of what is not controlled',
    external,
    `${external.replace('observe', 'act')}\n    rules: [{ name: Crashed, when: { cause: service.crashed }, try: [{ do: page }, { do: ▸start }] }]`,
    'do: external services are not controlled, so start is impossible',
  ],
  ['a unit that is none, outside', external, `${external.replace('observe', 'act')}\n    verify: { checks: [{ ▸unit: active }] }`, 'unit: the service is no systemd unit; use connect: ok'],
  [
    'a unit that is none',
    external,
    `mode: act\n    service: { type: process, start: [/bin/true] }\n    verify: { checks: [{ connect: ok }, { ▸unit: active }] }`,
    'unit: the service is no systemd unit; use service: running',
  ],
  [
    'a reload without saying how',
    external,
    `mode: observe\n    service: { type: process, start: [/bin/true] }\n    rules: [{ name: Hung, when: { cause: service.hung }, try: [{ do: ▸reload }] }]`,
    'do: this service has no `reload:`',
  ],
  [
    'a container that is none',
    external,
    `mode: act\n    service: { type: process, start: [/bin/true] }\n    verify: { checks: [{ ▸container: running }] }`,
    'container: the service is no container; use service: running',
  ],
  [
    'a unit that is none, when a person is asked',
    external,
    `mode: approve\n    service: { type: docker, container: shop-web-1 }\n    verify: { checks: [{ ▸unit: active }] }`,
    'unit: the service is no systemd unit; use service: running',
  ],
  [
    'a reload of a container',
    external,
    `mode: act\n    service: { type: docker, container: shop-web-1 }\n    rules: [{ name: Hung, when: { cause: service.hung }, try: [{ do: ▸reload }] }]`,
    'do: a container cannot reload; use start, restart or stop',
  ],
  [
    'workers of a container',
    external,
    `mode: act\n    service: { type: docker, container: shop-web-1 }\n    rules: [{ name: Hung, when: { cause: service.hung }, try: [{ do: ▸terminate_stuck_workers }] }]`,
    'do: a container cannot terminate_stuck_workers',
  ],
  ['a line for a shell as a start', external, `mode: observe\n    service: { type: process, start: [/usr/bin/bash, ▸-c, "exec x"] }`, 'start: a line for a shell is refused'],
  ['a line for a shell as a stop', external, `mode: observe\n    service: { type: process, start: [/bin/true], stop: [/bin/dash, -e, ▸-c, x] }`, 'stop: a line for a shell is refused'],
  ['a command with its arguments in one', external, `mode: observe\n    service: { type: process, start: [/bin/true], reload: [▸"/bin/kill -HUP 1"] }`, 'reload: expected the program alone'],
  [
    'services that wait for each other',
    '    service: { type: systemd, unit: apache2.service }\n  - name: mariadb\n    mode: observe',
    '    service: { type: systemd, unit: apache2.service }\n    depends_on: [mariadb]\n  - name: mariadb\n    mode: observe\n    depends_on: [▸apache]',
    'depends_on: this closes a circle, apache → mariadb → apache: each would wait for the other',
  ],
  [
    'services that restart each other',
    '    service: { type: systemd, unit: apache2.service }\n  - name: mariadb\n    mode: observe',
    '    service: { type: systemd, unit: apache2.service }\n    after_recovery: { restart: [mariadb] }\n  - name: mariadb\n    mode: observe\n    after_recovery: { restart: [▸apache] }',
    'restart: this closes a circle, apache → mariadb → apache: they would restart each other without end',
  ],
  [
    'a unit of what is none',
    external,
    `mode: observe\n    service: { type: external }\n    rules: [{ name: Hung, when: { cause: service.hung }, try: [{ do: run, with: { command: [/bin/true, "▸{unit}"] } }] }]`.replace('"▸', '▸"'),
    'command: {unit} stands for nothing here, because the service is of type external',
  ],
  [
    'a start limit that nobody keeps',
    external,
    `mode: act\n    service: { type: process, start: [/bin/true] }\n    rules: [{ name: Hung, when: { cause: service.hung }, try: [{ do: ▸reset_failed_and_start }] }]`,
    'do: only systemd remembers that a start failed; use start',
  ],
  [
    'a step that ends before the stop inside it',
    external,
    `mode: observe\n    service: { type: process, start: [/bin/true], stop: { signal: TERM, timeout: 90s } }\n    rules: [{ name: Hung, when: { cause: service.hung }, try: [{ do: restart, timeout: ▸1m }] }]`,
    'timeout: expected more than the 1.5 min that the stop of the service itself may take (stop.timeout), got 1 min',
  ],
  [
    'a step that has as little time by default',
    external,
    `mode: observe\n    service: { type: init, script: /etc/init.d/x, pidfile: /run/x.pid, stop_timeout: 1m }\n    rules: [{ name: Hung, when: { cause: service.hung }, try: [{ do: ▸restart }] }]`,
    '(stop_timeout), got 1 min',
  ],
  ['a missing key in a list', '  - name: mariadb\n    mode: observe', '  - ▸name: mariadb', 'missing key `mode`'],
];

const inHost: readonly Row[] = [
  ['an unknown key of a gateway', '    concurrency: auto', '    ▸concurency: auto', 'did you mean `concurrency`?'],
  ['a misspelt required key', '    upstream: unix', '    ▸upstraem: unix', 'did you mean `upstream`?'],
  ['a missing key of a gateway', '    upstream: 127.0.0.1:7080\n', '', 'missing key `upstream`'],
  ['a bare path as an address', 'upstream: unix:/run', 'upstream: ▸/run', 'did you mean `unix:/run/php/php8.2-fpm.sock`?'],
  ['a bare port in a list', '[127.0.0.1:9001,', '[▸"9001",', 'did you mean `127.0.0.1:9001`?'],
  ['a port above all ports', 'upstream: 127.0.0.1:7080', 'upstream: ▸127.0.0.1:70800', 'expected unix:/absolute/path or host:port'],
  ['a port that is a number', 'upstream: 127.0.0.1:7080', 'upstream: ▸7080', 'expected unix:/absolute/path or host:port'],
  ['a socket path that the kernel refuses', 'listen: unix:/run/goodgateway/shop.sock', `listen: ▸unix:/${'x'.repeat(107)}`, 'at most 107 bytes'],
  ['an unknown protocol', 'protocol: fastcgi', 'protocol: ▸fcgi', 'expected http or fastcgi, got "fcgi"'],
  ['an unknown service', 'service: php-fpm', 'service: ▸php-fmp', 'no policy has the name `php-fmp`: did you mean `php-fpm`?'],
  ['a concurrency of nobody', 'concurrency: auto', 'concurrency: ▸0', 'expected at least 1'],
  ['a misspelt concurrency', 'concurrency: auto', 'concurrency: ▸auot', 'did you mean `auto`?'],
  ['a fetch that waits longer than a page', '{ for: 15s,', '{ for: 15s, fetch_for: ▸20s,', 'expected at most the time of `for`'],
  ['FastCGI on TCP', 'listen: unix:/run/goodgateway/shop.sock', 'listen: ▸127.0.0.1:9000', 'listen_on_tcp_anyway'],
  ['TLS to a FastCGI backend', '    concurrency: auto', '    concurrency: auto\n    ▸tls: {}', 'tls: FastCGI is not spoken over TLS: expected protocol: http'],
  ['TLS on a unix socket without a name', 'upstream: 127.0.0.1:7080', 'upstream: unix:/run/app.sock\n    ▸tls: {}', 'tls: a unix socket has no host name: expected server_name'],
  ['authorities that are not there', 'upstream: 127.0.0.1:7080', 'upstream: 127.0.0.1:7080\n    tls: { ca: ▸/nowhere/ca.pem }', 'ca: /nowhere/ca.pem cannot be read (ENOENT'],
  ['authorities that are none', 'upstream: 127.0.0.1:7080', 'upstream: 127.0.0.1:7080\n    tls: { ca: ▸/etc/passwd }', 'ca: /etc/passwd holds no certificate'],
  ['two gateways on one address', 'unix:/run/goodgateway/blog.sock]', '▸unix:/run/goodgateway/shop.sock]', 'is the address of gateways.shop.listen already'],
  [
    'a standby gateway that cannot know what fails',
    '    concurrency: auto',
    '    concurrency: auto\n    ▸standby: true',
    'standby: expected nginx_error_log beside it, such as /var/log/nginx/error.log',
  ],
  ['an error log at no fixed place', '    concurrency: auto', '    concurrency: auto\n    nginx_error_log: ▸logs/error.log', 'nginx_error_log: expected an absolute path'],
  ['a gateway to itself', 'upstream: 127.0.0.1:7080', 'upstream: ▸127.0.0.1:9001', 'goodgateway itself'],
  ['an admin page for the whole world, asked for, without a token', 'audit:', 'admin: { listen: ▸0.0.0.0:9180, beyond_loopback: true }\naudit:', 'expected token_file beside 0.0.0.0:9180'],
  ['an admin page with a strange key', 'audit:', 'admin: { listen: 127.0.0.1:9180, ▸tokens: x }\naudit:', 'unknown key `tokens`'],
  ['an admin page for the whole world', 'audit:', 'admin: ▸0.0.0.0:9180\naudit:', 'expected a loopback address'],
  ['a name with a space', '  blog:', '  ▸my blog:', 'expected a name of letters, digits'],
  ['no gateway at all', host.slice(11, host.indexOf('policies:')), 'gateways: ▸{}\n', 'expected at least one gateway'],
  ['a relative folder', 'folder: /var/log/goodgateway', 'folder: ▸log', 'expected an absolute path'],
  ['a pattern without a match', '[php-fpm.yaml,', '[php-fpm.yaml, ▸extra/*.yaml,', 'no file matches extra/*.yaml'],
  ['a webhook without an address', 'ops: { type: log }', '▸ops: { type: webhook }', 'expected exactly one of url, url_file and url_env'],
  ['an address twice', '{ type: log }', '▸{ type: webhook, url: "https://example.com/", url_env: HOOK }', 'expected exactly one of url, url_file and url_env'],
  ['what is no address of the web', '{ type: log }', '{ type: webhook, url: ▸"ftp://example.com/secret-path" }', 'url: expected an address that begins with https:// or http://$'],
  ['a password in an address', '{ type: log }', '{ type: webhook, url: ▸"https://me:hunter2@example.com/" }', 'url: expected an address without user and password: use token_file$'],
  ['a secret among the headers', '{ type: log }', '{ type: webhook, url: "https://example.com/", headers: { ▸Authorization: "Bearer x" } }', 'use token_file or token_env'],
  ['a header that is set anyway', '{ type: log }', '{ type: webhook, url: "https://example.com/", headers: { ▸Host: x } }', 'goodgateway sets Host itself'],
  ['a header that would begin another', '{ type: log }', '{ type: webhook, url: "https://example.com/", headers: { X-Team: ▸"a\\r\\nb" } }', 'expected printable ASCII'],
  ['a secret from two places', '{ type: log }', '{ type: webhook, url: "https://example.com/", token_file: /etc/none, ▸token_env: TOKEN }', 'expected token_file or token_env, not both'],
  ['a try that may take an hour', '{ type: log }', '{ type: webhook, url: "https://example.com/", timeout: ▸1h }', 'timeout: expected 100ms to 1m'],
  ['a mail to nobody', '{ type: log }', '{ type: email, host: localhost, from: a@example.com, to: ▸[] }', 'to: expected at least one address'],
  ['a mail address with a line in it', '{ type: log }', '{ type: email, host: localhost, from: ▸"a@example.com\\nBcc: b@example.com", to: [b@example.com] }', 'from: expected a mail address'],
  [
    'a login without a password',
    'ops: { type: log }',
    '▸ops: { type: email, host: localhost, user: me, from: a@example.com, to: [b@example.com] }',
    'expected password_file or password_env beside user',
  ],
  [
    'a password in the clear',
    '{ type: log }',
    '{ type: email, host: mail.example.com, tls: ▸none, user: me, password_env: PASS, from: a@example.com, to: [b@example.com] }',
    'a password would cross the network in the clear',
  ],
  ['a shell line as a notifier', '{ type: log }', '{ type: run, command: [▸/bin/sh, -c, "echo x"] }', 'a shell line in disguise'],
  ['a placeholder for a notifier', '{ type: log }', '{ type: run, command: [/usr/bin/tee, ▸"{incident}"] }', 'the message is on standard input'],
  ['a monitor without an address', 'audit:', '▸monitor: { every: 1m }\naudit:', 'expected exactly one of ping and ping_file'],
  ['a monitor that is asked all the time', 'audit:', 'monitor: { ping: "https://example.com/", every: ▸1s }\naudit:', 'every: expected at least 10s'],
  ['an unknown notifier type', '{ type: log }', '{ type: ▸lgo }', 'did you mean `log`?'],
  ['a field that is not built', 'audit:', 'safety: { one_healer: { ▸fleet_lease: redis } }\naudit:', 'not yet: a lease for several hosts'],
  ['a time zone that there is not', 'audit:', 'safety: { maintenance: [{ name: night, every: "02:00-03:00", timezone: ▸Europe/Madird }] }\naudit:', 'expected a time zone'],
  [
    'R26 empty selector: a window for no service',
    'audit:',
    'safety: { maintenance: [{ name: night, every: "02:00-03:00", timezone: UTC, services: ▸[] }] }\naudit:',
    'services: expected at least one name; remove the line for all services',
  ],
  [
    'a window for a service that there is not',
    'audit:',
    'safety: { maintenance: [{ name: night, every: "02:00-03:00", timezone: UTC, services: [apache, ▸php-fmp] }] }\naudit:',
    'services: no policy has the name `php-fmp`: did you mean `php-fpm`?',
  ],
  ['the age of audit files', 'folder: /var/log/goodgateway }', 'folder: /var/log/goodgateway, keep: ▸4000d }', 'expected at most 3650d'],
  ['a number for the limits', 'audit:', 'safety: ▸5\naudit:', 'expected the limits themselves'],
  ['a safety file that is not there', 'audit:', 'safety: ▸none.yaml\naudit:', 'none.yaml: there is no such file'],
  ['a second document', 'notifiers:', '---\n▸notifiers:', 'expected one document'],
  ['a number in quotes', 'requests: 200', 'requests: ▸"200"', 'expected a whole number'],
  ['a mode of a socket without quotes', '    concurrency: auto', '    socket: { mode: ▸0660 }', 'in quotes'],
];

const folder = mkdtempSync(join(tmpdir(), 'goodgateway-mistakes-'));
t.teardown(() => rmSync(folder, { recursive: true }));

function write(changes: Partial<Record<File, string>>): string {
  for (const [file, text] of Object.entries({ ...written, ...changes })) writeFileSync(join(folder, file), text, { mode: 0o600 });
  return join(folder, 'goodgateway.yaml');
}

async function problemsOf(changes: Partial<Record<File, string>>): Promise<readonly string[]> {
  const loaded = await loadConfiguration(write(changes), bindings);
  return loaded.ok ? [] : loaded.problems.map((problem) => formatProblem(problem).replace(`${folder}/`, ''));
}

/** `line:column` of the mark. A change that removes a line has none: the place is then given by `otherwise`. */
function placeOf(marked: string): string | undefined {
  const before = marked.split('▸')[0]!.split('\n');
  return marked.includes('▸') ? `${before.length}:${before.at(-1)!.length + 1}` : undefined;
}

/** Where something is missing, the problem is at the key of what it is missing in. */
const missingAt: Readonly<Record<string, string>> = { 'a missing mode': '1:1', 'a missing key inside a map': '4:1', 'a missing type': '4:1', 'a missing key of a gateway': '11:3' };

t.test('the configuration that the rows change is right', async (t) => {
  t.same(await problemsOf({}), []);
});

t.test('rules that only look alike are fine', async (t) => {
  const rules = (text: string) => problemsOf({ 'php-fpm.yaml': `${policy.slice(0, policy.indexOf('rules:'))}rules:\n${text}` });
  const rule = (name: string, when: string) => `  - { name: ${name}, when: { ${when} }, try: [{ do: page }] }\n`;
  t.same(await rules(rule('Surely hung', 'cause: service.hung, confidence: certain') + rule('Perhaps hung', 'cause: service.hung, confidence: possible')), [], 'the surer one first');
  t.same(await rules(rule('Hung', 'cause: service.hung') + rule('Hung or crashed', 'cause: [service.hung, service.crashed]')), [], 'one of two causes is new');
  t.match(await rules(rule('Hung for long', 'cause: service.hung, lasting: 1m') + rule('Hung', 'cause: service.hung')), [/never reached/], 'a rule that waits lets no later one pass');
});

for (const [file, rows] of [
  ['php-fpm.yaml', inPolicy],
  ['more.yaml', inList],
  ['goodgateway.yaml', inHost],
] as const) {
  t.test(`each mistake in ${file} is one problem, at its place`, async (t) => {
    for (const [what, right, wrong, message] of rows) {
      const marked = written[file].replace(right, () => wrong);
      t.not(marked, written[file], `${what}: the row changes something`);
      const problems = await problemsOf({ [file]: marked.replace('▸', '') });
      t.equal(problems.length, 1, `${what}: one problem`, { problems });
      t.ok(problems[0]?.startsWith(`${file}:${placeOf(marked) ?? missingAt[what]}: `), `${what}: its place`, { problems, expected: placeOf(marked) ?? missingAt[what] });
      const ends = message.endsWith('$');
      t.ok(ends ? problems[0]?.endsWith(message.slice(0, -1)) : problems[0]?.includes(message), `${what}: its words`, { problems, message });
    }
  });
}

t.test('a program that others may change is refused where it is started as root', { skip: !isRoot && 'only root has something to lose' }, async (t) => {
  const open = join(folder, 'open');
  mkdirSync(open);
  chmodSync(open, 0o777);
  const tool = join(folder, 'tool');
  writeFileSync(tool, '#!/bin/sh\n', { mode: 0o700 });
  const withTest = (program: string, mode: string) => problemsOf({ 'php-fpm.yaml': policy.replace('/usr/sbin/php-fpm8.2', program).replace('mode: observe', `mode: ${mode}`) });
  t.same(await withTest(tool, 'act'), []);
  chmodSync(tool, 0o702);
  t.match(await withTest(tool, 'act'), [/^php-fpm\.yaml:7:17: config_test: .*tool is refused, because others may change the file .*: chmod go-w/]);
  t.match(await withTest(tool, 'approve'), [/config_test: /]);
  t.same(await withTest(tool, 'observe'), [], 'who only observes starts nothing');
  t.match(await withTest(join(open, 'new/tool'), 'act'), [/config_test: .* is refused, because it does not exist, and others may put one into the folder .*open$/]);
  const script = policy.replace('type: systemd', 'type: init').replace('unit: php8.2-fpm.service', `script: ${tool}\n  pidfile: /run/php.pid`).replace('mode: observe', 'mode: act');
  t.match(await problemsOf({ 'php-fpm.yaml': script }), [/^php-fpm\.yaml:6:11: script: .*others may change the file/]);
});

t.test('limits of the host in a file of their own are compared, and their names looked up', async (t) => {
  writeFileSync(
    join(folder, 'safety.yaml'),
    'version: 1\nsafety:\n  host_budget: { starts: 1, disruptive_actions: 1 }\n  maintenance: [{ name: night, every: "02:00-03:00", timezone: UTC, services: [apche] }]\n',
    { mode: 0o600 },
  );
  t.match(await problemsOf({ 'goodgateway.yaml': `${host}safety: safety.yaml\n` }), [
    /^php-fpm\.yaml:26:26: times: 3 attempts within 1h are looser .* at most 2 in that time \(safety\.host_budget: 1 starts and 1 disruptive actions\)/,
    /^safety\.yaml:4:80: services: no policy has the name `apche`: did you mean `apache`\?/,
  ]);
});
