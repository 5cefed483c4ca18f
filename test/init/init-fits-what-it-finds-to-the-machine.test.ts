/** Machines as files, each with what is special about it: what init would write for it, change in nginx, and say. */
import t from 'tap';
import { debianNginx, listener, lookAt, php, systemd } from './machines.ts';

const phpSite = `server {
	listen 80 default_server;
	listen [::]:80 default_server;
	root /var/www/html;
	index index.php;
	server_name _;
	location / {
		try_files $uri $uri/ =404;
	}
	location ~ \\.php$ {
		include snippets/fastcgi-php.conf;
		fastcgi_pass unix:/run/php/php8.2-fpm.sock;
	#	fastcgi_pass 127.0.0.1:9000;
	}
	# deny access to .htaccess files
	location ~ /\\.ht { deny all; }
}
`;

t.test("Debian's own site with PHP", async (t) => {
  const { plan, text, diff, advice } = await lookAt(t, { ...debianNginx({ default: phpSite }), ...php('8.2'), ...systemd });
  t.same(plan.checked.problems, []);
  t.match(plan.checked.host?.gateways['php8.2'], {
    listen: [{ kind: 'unix', path: '/run/goodgateway/php8.2.sock' }],
    socket: { group: 'www-data', mode: '0660' },
    upstream: { kind: 'unix', path: '/run/php/php8.2-fpm.sock' },
    service: 'php8.2-fpm',
    // nginx's own default, which nobody has written
    timeouts: { response: 60_000, idle: 60_000 },
    hold: { requests: (768 * 2) / 8 },
    nginx_error_log: '/var/log/nginx/error.log',
  });
  t.match(text('php8.2-fpm.yaml'), /^mode: observe\b[^]*unit: php8\.2-fpm\.service\n {2}config_test:\n {4}- \/usr\/sbin\/php-fpm8\.2\n {4}- -t\n/m);
  t.equal(advice, '');
  t.equal(
    diff,
    `--- /etc/nginx/sites-enabled/default
+++ /etc/nginx/sites-enabled/default
@@ -9,7 +9,11 @@
 	}
 	location ~ \\.php$ {
 		include snippets/fastcgi-php.conf;
-		fastcgi_pass unix:/run/php/php8.2-fpm.sock;
+		fastcgi_pass php8.2;  # before: unix:/run/php/php8.2-fpm.sock
+		fastcgi_next_upstream error;                  # never "timeout": a slow page would run twice
+		fastcgi_send_timeout 80s;
+		fastcgi_read_timeout 80s;                     # at least hold.for + timeouts.response + 5s
+		fastcgi_param HTTP_X_REQUEST_ID $request_id;  # the code that a page of goodgateway shows
 	#	fastcgi_pass 127.0.0.1:9000;
 	}
 	# deny access to .htaccess files
--- /dev/null
+++ /etc/nginx/conf.d/goodgateway-php8.2.conf
@@ -0,0 +1,5 @@
+# Made by \`goodgateway init\`
+upstream php8.2 {
+    server unix:/run/goodgateway/php8.2.sock max_fails=0;
+    server unix:/run/php/php8.2-fpm.sock max_fails=0 backup;  # fails open: if goodgateway is dead, as before
+}
`,
  );
});

t.test('two PHP versions, one location a line, another with its own patience, and no systemd', async (t) => {
  const sites = {
    old: 'server { server_name old.example.com; location ~ \\.php$ { include fastcgi.conf; fastcgi_pass unix:/var/run/php/php7.4-fpm.sock; } }\n',
    shop: 'server {\n  server_name shop.example.com;\n  fastcgi_read_timeout 100s;\n  location ~ \\.php$ {\n    fastcgi_param A b;\n    fastcgi_read_timeout 5m;\n    fastcgi_pass unix:/run/php/php8.2-fpm.sock;\n  }\n}\n',
  };
  const { plan, text, diff } = await lookAt(t, { ...debianNginx(sites), ...php('7.4'), ...php('8.2') }, { actOnCrash: true });
  t.same(plan.checked.problems, []);
  t.same(Object.keys(plan.checked.host?.gateways ?? {}), ['php7.4', 'php8.2']);
  t.match(plan.checked.host?.gateways, { 'php7.4': { timeouts: { response: 60_000 }, hold: { requests: 96 } }, 'php8.2': { timeouts: { response: 300_000, idle: 300_000 }, hold: { requests: 96 } } });
  t.match(text('php8.2-fpm.yaml'), /type: process\n {2}pidfile: \/run\/php\/php8\.2-fpm\.pid\n/);
  t.match(text('php7.4-fpm.yaml'), /^mode: act/m, 'the start of a crashed service is done');
  const asked = text('php7.4-fpm.yaml')
    .split(/\n {2}- name: /)
    .filter((rule) => /do: (start|restart|terminate_orphans|shed_load|switch_upstream|reset_failed_and_start)/.test(rule));
  t.ok(asked.length > 5);
  for (const rule of asked) t.equal(rule.includes('approval'), !/cause: service\.(crashed|orphaned_workers)/.test(rule), rule);
  t.match(
    diff,
    /^\+server .*\{ include fastcgi\.conf; fastcgi_pass php7\.4; {2}# before: unix:\/var\/run\/php\/php7\.4-fpm\.sock\n\+fastcgi_next_upstream error;[^]*\n\+ \} \}\n/m,
    'what follows on the line is no comment',
  );
  t.match(diff, /^-    fastcgi_read_timeout 5m;\n-    fastcgi_pass [^\n]+\n\+    fastcgi_read_timeout 320s;\n/m, 'no directive stands there twice');
});

t.test('two PHP versions whose units nobody knows have a policy each', async (t) => {
  const version = (folder: string): Readonly<Record<string, string>> => ({
    [`${folder}/php-fpm.conf`]: `[global]\npid = ${folder}/run.pid\ninclude=${folder}/php-fpm.d/*.conf\n`,
    [`${folder}/php-fpm.d/www.conf`]: `[www]\nlisten = ${folder}/www.sock\npm = dynamic\npm.max_children = 5\n`,
  });
  const folders = ['/etc/opt/remi/php81', '/etc/opt/remi/php82', '/etc/php82'];
  const site = `server {${folders.map((folder, index) => ` location ~ ^/${index}\\.php$ { fastcgi_pass unix:${folder}/www.sock; }`).join('')} }\n`;
  const { plan, text } = await lookAt(t, { ...debianNginx({ site }), ...Object.assign({}, ...folders.map(version)) });
  t.same(plan.checked.problems, []);
  t.same(
    Object.entries(plan.checked.host?.gateways ?? {}).map(([name, { service }]) => [name, service]),
    [
      ['php8.1', 'php8.1-fpm'],
      ['php8.2', 'php8.2-fpm'],
      ['php8.2-2', 'php8.2-fpm-2'],
    ],
  );
  t.match(text('php8.1-fpm.yaml'), /pidfile: \/etc\/opt\/remi\/php81\/run\.pid\n {2}start:\n {4}- \/opt\/remi\/php81\/root\/usr\/sbin\/php-fpm\n[^]*pool: \/etc\/opt\/remi\/php81\/php-fpm\.conf/);
  t.match(text('php8.2-fpm.yaml'), /pidfile: \/etc\/opt\/remi\/php82\/run\.pid\n/);
  t.match(text('php8.2-fpm-2.yaml'), /pidfile: \/etc\/php82\/run\.pid\n/);
});

t.test('an application behind a named upstream, known by its unit, and one whose Host nginx made up', async (t) => {
  const site = `upstream shop {
    server 127.0.0.1:3000 max_fails=3 weight=2;
    keepalive 8;
}
server {
    proxy_set_header X-Real-IP $remote_addr;
    location / { proxy_pass http://shop; }
    location /api/ {
        proxy_pass http://localhost:3100/v1/;
        proxy_http_version 1.0;
    }
}
`;
  const machine = { ...debianNginx({ shop: site }), ...systemd, ...listener({ port: 3000, pid: 300, comm: 'node', cgroup: '/system.slice/shop-web.service' }) };
  const { plan, text, diff, advice, machine: found } = await lookAt(t, machine);
  t.same(plan.checked.problems, []);
  t.match(found.listening, [{ process: { pid: 300, comm: 'node', unit: 'shop-web.service', isContainer: false } }]);
  t.match(plan.checked.host?.gateways, { shop: { upstream: { port: 3000 }, service: 'shop-web' }, 'app-3100': { service: 'app-3100' } });
  t.match(text('shop-web.yaml'), /unit: shop-web\.service/);
  t.match(text('app-3100.yaml'), /type: external/);
  t.match(advice, /app-3100 is only looked at from outside, and never started: nothing listens there now/);
  t.match(
    diff,
    /-    server 127\.0\.0\.1:3000 max_fails=3 weight=2;\n\+    server unix:\/run\/goodgateway\/shop\.sock max_fails=0; {2}# goodgateway\n\+    server 127\.0\.0\.1:3000 weight=2 max_fails=0 backup;/,
    'the block is changed in its place',
  );
  t.notMatch(diff, /upstream shop \{\n\+/, 'and is not written again');
  t.match(diff, /proxy_pass http:\/\/shop;\n[^]*proxy_set_header X-Real-IP \$remote_addr;\n\+ *proxy_set_header X-Request-Id/, 'inherited headers are copied before ours');
  t.match(
    diff,
    /\+        proxy_pass http:\/\/app-3100\/v1\/; {2}# before: http:\/\/localhost:3100\/v1\/\n[^]*Host localhost:3100; {2}# as before\n[^]*proxy_redirect http:\/\/localhost:3100\/v1\/ \/api\/;\n[^]*\+        proxy_http_version 1\.1;/,
  );
});

t.test("redirects to the address of the application stay the site's in every kind of location", async (t) => {
  const site = `server {
    location ~ ^/a { proxy_pass http://127.0.0.1:3000; }
    location / { try_files $uri @app; }
    location @app { proxy_pass http://127.0.0.1:3000; }
    location =/c { proxy_pass http://127.0.0.1:3000/; }
    location ^~/d/ { proxy_pass http://127.0.0.1:3000/d/; }
    location "/two words/" { proxy_pass "http://127.0.0.1:3000/t t/"; }
    location = /e { proxy_pass http://127.0.0.1:3000/e; }
    location ~ ^/f(.*) { proxy_pass http://127.0.0.1:3000/$1; }
    location /g { proxy_redirect off; proxy_pass http://127.0.0.1:3000; }
    location /h/ { proxy_pass http://127.0.0.1:3000/h/; proxy_redirect default; }
}
`;
  const { diff } = await lookAt(t, debianNginx({ app: site }));
  const to = 'http://127.0.0.1:3000';
  t.same(diff.match(/proxy_redirect [^;]+;/g)?.toSorted(), [
    `proxy_redirect "${to}/t t/" "/two words/";`,
    'proxy_redirect default;',
    'proxy_redirect default;',
    `proxy_redirect ${to}/ /;`,
    `proxy_redirect ${to}/ /;`,
    `proxy_redirect ${to}/ /c;`,
    `proxy_redirect ${to}/d/ /d/;`,
    `proxy_redirect ${to}/e /e;`,
    `proxy_redirect ${to}/h/ /h/;`,
    'proxy_redirect off;',
    'proxy_redirect off;',
  ]);
  t.match(diff, /^\+.*proxy_pass "http:\/\/app-3000\/t t\/"; {2}# before/m, 'one word stays one');
  t.equal(diff.match(/^\+.*# before/gm)?.length, 9);
});

t.test('Plesk: its Apache gets a gateway, its generated files are not touched', async (t) => {
  const machine = {
    ...debianNginx({}),
    '/etc/nginx/conf.d/zz010_psa_nginx.conf': 'include /etc/nginx/plesk.conf.d/*.conf;\n',
    '/etc/nginx/plesk.conf.d/shop.conf': 'server { location / { proxy_pass http://127.0.0.1:7080; } }\nserver { location / { proxy_pass https://127.0.0.1:7081; } }\n',
    '/usr/local/psa/version': '18\n',
    '/usr/sbin/apache2': '',
    '/etc/apache2/ports.conf': 'Listen 7080\nListen 127.0.0.1:7081\n',
    ...systemd,
  };
  const { plan, text, diff, advice } = await lookAt(t, machine);
  t.same(plan.checked.problems, []);
  t.match(plan.checked.host?.gateways, { apache: { protocol: 'http', upstream: { host: '127.0.0.1', port: 7080 }, service: 'apache' } });
  t.match(text('apache.yaml'), /defer_to_supervisor: 15s/);
  t.equal(diff, '');
  t.match(plan.leftAlone, [
    { place: '/etc/nginx/plesk.conf.d/shop.conf:1', why: 'Plesk writes this file again', instead: /templates\/custom/ },
    { place: '/etc/nginx/plesk.conf.d/shop.conf:2', why: 'Plesk writes this file again' },
  ]);
  t.match(advice, /Apache does not know the visitors' addresses[^]*a2enmod remoteip/);
});

t.test('what is not changed is named, with the reason', async (t) => {
  const site = `upstream many { server 127.0.0.1:1; server 127.0.0.1:2; }
upstream sticky { ip_hash; server 127.0.0.1:3; }
server {
    location /a { proxy_pass http://many; }
    location /b { proxy_pass http://sticky; }
    location /c { proxy_pass https://127.0.0.1:4; }
    location /d { if ($arg_x) { proxy_pass http://127.0.0.1:5; } }
    location /e { include snippets/slow.conf; proxy_pass http://127.0.0.1:6; }
    location /f { proxy_pass http://$arg_where; }
}
`;
  const { plan, diff } = await lookAt(t, { ...debianNginx({ all: site }), '/etc/nginx/snippets/slow.conf': 'proxy_read_timeout 9m;\n' });
  t.same(
    plan.leftAlone.map(({ what, why }) => `${what}: ${why}`),
    [
      'proxy_pass http://many: upstream many has 2 servers, and a gateway leads to one',
      'proxy_pass http://sticky: `ip_hash` takes no backup server',
      'proxy_pass https://127.0.0.1:4: nginx speaks TLS to it, and the backup line would lose that',
      'proxy_pass http://127.0.0.1:5: it stands in `if`, where nginx takes no time limits',
      'proxy_pass http://127.0.0.1:6: `proxy_read_timeout` comes from an included file, /etc/nginx/snippets/slow.conf:1',
    ],
  );
  t.equal(diff, '');
});

t.test('what is made of the address of the application is not changed behind its back', async (t) => {
  const site = `proxy_set_header X-Asked $host:$proxy_port;
server {
    location /a { proxy_set_header Host $proxy_host; proxy_pass http://127.0.0.1:1; }
    location /b { proxy_pass http://127.0.0.1:2; }
    location /c { proxy_set_header Host $host; proxy_pass http://127.0.0.1:3; }
}
`;
  const { plan, diff } = await lookAt(t, debianNginx({ all: site }));
  t.same(
    plan.leftAlone.map(({ what, why }) => `${what}: ${why}`),
    [
      'proxy_pass http://127.0.0.1:1: `proxy_set_header Host $proxy_host` would say another address',
      'proxy_pass http://127.0.0.1:2: `proxy_set_header X-Asked $host:$proxy_port` would say another address',
    ],
  );
  t.same(diff.match(/# before: .*$/gm), ['# before: http://127.0.0.1:3']);
  t.same(Object.keys(plan.checked.host?.gateways ?? {}), ['app-1', 'app-2', 'app-3'], 'and there is a gateway for a person who changes it');
});

t.test('a cache whose keys hold the address of the application is named, and no other', async (t) => {
  const cached = 'proxy_cache pages; proxy_pass http://127.0.0.1:3000; proxy_set_header Host $host;';
  const cold = async (before: string, location: string): Promise<string | undefined> => {
    const { advice, diff } = await lookAt(t, debianNginx({ shop: `${before}server {\n  location / { ${location} }\n}\n` }));
    t.match(diff, /^\+/m, 'it is changed');
    return /shop:\d+: its cache .*/.exec(advice)?.[0];
  };
  t.match(await cold('', cached), /^shop:2: its cache \(proxy_cache pages\) is empty after the change, because nginx's own key begins with the address in proxy_pass/);
  t.match(await cold('proxy_cache_key $scheme$proxy_host$uri;\n', cached), /^shop:3: .* because its proxy_cache_key holds the address/);
  t.equal(await cold('proxy_cache_key $scheme$host$request_uri;\n', cached), undefined);
  t.equal(await cold('proxy_cache pages;\n', cached.replace('pages', 'off')), undefined);
  t.equal(await cold('upstream app { server 127.0.0.1:3000; }\n', cached.replace('127.0.0.1:3000', 'app')), undefined, 'the name stays');
});

t.test('what stays inside of a location takes nothing over', async (t) => {
  const site = `server {
    location /a {
        if ($arg_beta) { proxy_pass http://127.0.0.1:1; }
        proxy_pass http://127.0.0.1:2;
    }
    location /b {
        proxy_set_header Host $host;
        if ($arg_beta) { proxy_pass http://127.0.0.1:3; } proxy_pass http://127.0.0.1:4;
    }
    location /c {
        location /c/d { proxy_pass http://$where; }
        location /c/e { proxy_pass http://127.0.0.1:5; }
        proxy_pass http://127.0.0.1:6;
    }
}
`;
  const { plan, diff } = await lookAt(t, debianNginx({ all: site }));
  t.same(
    plan.leftAlone.map(({ what, why }) => `${what}: ${why}`),
    [
      'proxy_pass http://127.0.0.1:2: /etc/nginx/sites-enabled/all:3 stays as it is, and would take over its new Host',
      'proxy_pass http://127.0.0.1:1: it stands in `if`, where nginx takes no time limits',
      'proxy_pass http://127.0.0.1:3: it stands in `if`, where nginx takes no time limits',
      'proxy_pass http://127.0.0.1:6: /etc/nginx/sites-enabled/all:11 stays as it is, and would take over its new Host',
    ],
  );
  t.same(diff.match(/# before: .*$/gm), ['# before: http://127.0.0.1:4', '# before: http://127.0.0.1:5']);
});

t.test('an upstream that a place goes through which stays as it is stays, too', async (t) => {
  const site = `upstream rails { server 127.0.0.1:3000; }
upstream both { server 127.0.0.1:4000; }
upstream torn { server 127.0.0.1:5000; }
server {
    location / { if (!-f $request_filename) { proxy_pass http://rails; } }
    location /cable { proxy_pass http://rails; }
    location /direct { proxy_pass http://127.0.0.1:3000; }
    location /b { proxy_pass http://both; }
    location /grpc { grpc_pass grpc://both; }
    location /t { proxy_pass http://torn; }
    include snippets/torn.conf;
}
server { proxy_set_header A b; include snippets/torn.conf; }
`;
  const { plan, diff } = await lookAt(t, { ...debianNginx({ all: site }), '/etc/nginx/snippets/torn.conf': 'location /u { proxy_pass http://torn; }\n' });
  t.same(
    plan.leftAlone.map(({ place, what, why }) => `${place}: ${what}: ${why}`),
    [
      '/etc/nginx/sites-enabled/all:5: proxy_pass http://rails: it stands in `if`, where nginx takes no time limits',
      '/etc/nginx/sites-enabled/all:1: upstream rails: another place that stays as it is goes through the same upstream',
      '/etc/nginx/sites-enabled/all:2: upstream both: another place that stays as it is goes through the same upstream',
      '/etc/nginx/snippets/torn.conf:1: proxy_pass http://torn: several sites include it, and need different lines there',
      '/etc/nginx/sites-enabled/all:10: proxy_pass http://torn: another place that stays as it is goes through the same upstream',
    ],
  );
  t.same(diff.match(/^-.*_pass.*$/gm), ['-    location /direct { proxy_pass http://127.0.0.1:3000; }']);
  t.notMatch(diff, /# goodgateway$/m, 'no block is changed in its place');
});

t.test('what goodgateway does not speak, and what only a request knows, is named', async (t) => {
  const site = `server {
    location /a { uwsgi_pass 127.0.0.1:1; }
    location /b { grpc_pass grpc://127.0.0.1:2; }
    location ~ \\.php$ { fastcgi_pass $fpm; }
}
`;
  const { plan, advice } = await lookAt(t, { ...debianNginx({ all: site }), ...php('8.2') });
  t.same(plan.backends, []);
  t.match(advice, /sites-enabled\/all:2: uwsgi_pass 127\.0\.0\.1:1 stays as it is: goodgateway speaks HTTP and FastCGI, and no uwsgi\n/);
  t.match(advice, /sites-enabled\/all:3: grpc_pass .* and no grpc\n/);
  t.match(advice, /sites-enabled\/all:4: fastcgi_pass \$fpm stays as it is: where it leads only a request tells/);
  t.notMatch(advice, /nginx passes nothing/, 'because it does');
  t.equal((await lookAt(t, debianNginx({ all: 'server { location / { proxy_pass http://127.0.0.1:3000/$1; proxy_set_header X-Real-IP a; } }\n' }))).advice.includes('stays as it is'), false);
});

t.test('a file that cannot be changed is named with the reason', async (t) => {
  const site = { all: 'server { location / { proxy_pass http://127.0.0.1:3000; } }\n' };
  const elsewhere = await lookAt(t, { ...debianNginx(site), '/etc/nginx/nginx.conf': 'include http.conf;\n', '/etc/nginx/http.conf': 'http { include sites-enabled/*; }\n' });
  t.match(elsewhere.plan.leftAlone, [{ place: '/etc/nginx/sites-enabled/all:1', why: /main file has no `http \{ \}`/ }]);
  t.equal(elsewhere.diff, '');
  const notText = await lookAt(t, debianNginx({ all: `# \ufffd\n${site.all}` }));
  t.match(notText.plan.leftAlone, [{ place: '/etc/nginx/sites-enabled/all:2', why: 'its file is not UTF-8, or is larger than 1 MiB' }]);
});

t.test('an nginx that was built from its sources is known by its pid file below its prefix', async (t) => {
  const running = { '/proc/77/cmdline': 'nginx: master process /usr/local/nginx/sbin/nginx\0', '/proc/77/stat': `77 (nginx) S 1 ${'0 '.repeat(48)}\n`, '/etc/nginx/nginx.conf': 'http { }\n' };
  t.equal((await lookAt(t, { ...running, '/etc/logs/nginx.pid': '77\n' })).machine.nginx?.master, 77);
  const named = { ...running, '/etc/nginx/nginx.conf': 'pid run/nginx.pid;\nhttp { }\n', '/etc/nginx/run/nginx.pid': '77\n' };
  t.equal((await lookAt(t, named)).machine.nginx?.master, 77);
});

t.test('whatever nginx calls it, the configuration takes the name', async (t) => {
  const long = 'a-name-of-many-words-'.repeat(5);
  const names = ['3000', '1e3', '0x1F', 'Null', 'true', `${long}1`, `${long}2`];
  const site = `${names.map((name, index) => `upstream ${name} { server 127.0.0.1:${index + 1}; }\n`).join('')}server {${names.map((name, index) => ` location /${index} { proxy_pass http://${name}; }`).join('')} }\n`;
  const { plan } = await lookAt(t, debianNginx({ site }));
  t.same(plan.checked.problems, []);
  t.same(
    Object.entries(plan.checked.host?.gateways ?? {}).map(([name, { upstream, service }]) => [name, upstream.kind === 'tcp' && upstream.port, service]),
    [
      ['3000', 1],
      ['1e3', 2],
      ['0x1F', 3],
      ['Null', 4],
      ['true', 5],
      [long.slice(0, 60), 6],
      [`${long.slice(0, 60)}-2`, 7],
    ].map(([name, port]) => [name, port, name]),
  );
});

t.test('links of another root lead to files below it', async (t) => {
  const site = 'server { location / { proxy_pass http://127.0.0.1:3000; } }\n';
  const links = { first: '-> /etc/nginx/sites-available/shop', second: '-> ../sites-available/blog' };
  const available = { '/etc/nginx/sites-available/shop': site, '/etc/nginx/sites-available/blog': '-> /srv/blog', '/srv/blog': site.replace('3000', '4000') };
  const { plan } = await lookAt(t, { ...debianNginx(links), ...available });
  t.same(Object.keys(plan.checked.host?.gateways ?? {}), ['app-3000', 'app-4000']);
  const round = await lookAt(t, debianNginx({ one: '-> /etc/nginx/sites-enabled/two', two: '-> /etc/nginx/sites-enabled/one' }));
  t.same(round.plan.backends, []);
});

t.test('machines on which nothing can be done: what they lack is said, and nothing is planned', async (t) => {
  const scenes = [
    { what: 'no PHP, static files only', files: debianNginx({ default: 'server { root /var/www/html; }\n' }), says: /passes nothing on that goodgateway could look after[^]*no php-fpm/ },
    {
      what: 'PHP that nginx does not pass to',
      files: { ...debianNginx({ default: 'server { root /var/www/html; }\n' }), ...php('8.2') },
      says: /although php-fpm listens at unix:\/run\/php\/php8\.2-fpm\.sock: let a location do so/,
    },
    { what: 'Apache only', files: { '/usr/sbin/apache2': '', '/etc/apache2/ports.conf': 'Listen 80\n' }, says: /Apache answers the visitors by itself on port 80[^]*install nginx with proxy_pass/ },
    { what: 'nothing at all', files: {}, says: /There is no \/etc\/nginx\/nginx\.conf[^]*--nginx-conf/ },
  ];
  for (const { what, files, says } of scenes) {
    const { plan, advice } = await lookAt(t, files);
    t.match(advice, says, what);
    t.same([plan.backends, plan.checked.files], [[], []], what);
  }
});

t.test('a second look at what the first one made finds the same', async (t) => {
  const site =
    'upstream php8.2 { server unix:/run/goodgateway/php8.2.sock max_fails=0; server unix:/run/php/php8.2-fpm.sock max_fails=0 backup; }\nserver { location ~ \\.php$ { fastcgi_pass php8.2; fastcgi_read_timeout 80s; } }\n';
  const first = await lookAt(t, { ...debianNginx({ default: phpSite }), ...php('8.2'), ...systemd });
  const second = await lookAt(t, { ...debianNginx({ default: site }), ...php('8.2'), ...systemd });
  t.equal(second.text('goodgateway.yaml'), first.text('goodgateway.yaml'));
  t.equal(second.diff, '');
});
