#!/bin/bash
# A host as the documentation describes it, in namespaces of its own: Debian's nginx and php-fpm in their own places, so
# that commands run exactly as they are written. What is changed on /etc, /usr and /var lies in memory and goes with it.
#
# $1: a folder with `blocks` (a bash script each, in order), `files` that they copy, and `etc`: a running goodgateway's
# $2: the project   $3: node
set -u
work=$1 project=$2 node=$3
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin EDITOR=true HOME=/root
# Debian's default for who opens files
umask 022
# two dozen short runs of one program
export NODE_COMPILE_CACHE=${NODE_COMPILE_CACHE:-$work/compiled}

mount --make-rprivate /
mkdir "$work/changes" && mount -t tmpfs -o mode=755 changes "$work/changes"
for place in etc usr var; do
  mkdir "$work/changes/$place" "$work/changes/$place.work"
  mount -t overlay overlay -o "lowerdir=/$place,upperdir=$work/changes/$place,workdir=$work/changes/$place.work" "/$place"
done
# the project, too: a command of the documentation may write beside itself, never into the checkout
mkdir "$work/changes/project" "$work/changes/project.work"
mount -t overlay overlay -o "lowerdir=$project,upperdir=$work/changes/project,workdir=$work/changes/project.work" "$project"
mount -t tmpfs -o mode=755 run /run
ip link set lo up
mkdir -p /run/php /run/lock /run/apache2 /var/log/nginx /var/log/goodgateway /var/www/html
rm -rf /etc/goodgateway /var/lib/goodgateway /var/log/goodgateway/*
# without a network none of them answers, and a look at them would take its time
: > /etc/resolv.conf

printf '#!/bin/sh\nexec %s --disable-warning=ExperimentalWarning %s/src/cli/main.ts "$@"\n' "$node" "$project" > /usr/local/bin/goodgateway
printf '#!/bin/sh\nexec true\n' > /usr/local/bin/editor
cp "$(dirname "$0")/systemctl-imitated.sh" /usr/local/bin/systemctl
chmod 755 /usr/local/bin/goodgateway /usr/local/bin/editor /usr/local/bin/systemctl
echo '<?php echo "hello";' > /var/www/html/index.php

# A machine as somebody has it who installs goodgateway: a site, a backend, and nothing of ours.
php_site='root /var/www/html; index index.php; location / { try_files $uri $uri/ =404; }
  location ~ \.php$ { include snippets/fastcgi-php.conf; fastcgi_pass unix:/run/php/php8.2-fpm.sock; }'
apache_site='location / { proxy_pass http://127.0.0.1:8080; proxy_set_header Host $host; }'
fresh_host() { # php or apache
  [ ! -e /run/imitated.pid ] || systemctl disable --now goodgateway.target
  rm -rf /etc/goodgateway /var/lib/goodgateway /run/goodgateway /var/log/goodgateway/* /etc/nginx/conf.d/* /etc/nginx/sites-enabled/*
  local site=$1_site
  printf 'server {\n  listen 80 default_server;\n  server_name shop.example.com;\n  %s\n}\n' "${!site}" > /etc/nginx/sites-enabled/shop
  if [ "$1" = apache ]; then
    echo 'Listen 127.0.0.1:8080' > /etc/apache2/ports.conf
    sed -i 's/:80>/:8080>/' /etc/apache2/sites-enabled/*.conf
    /usr/sbin/apachectl start
  fi
  /usr/sbin/nginx -s reload
}
export -f fresh_host
export php_site apache_site

/usr/sbin/php-fpm8.2 --daemonize && /usr/sbin/nginx || exit 3

# What it prints goes to a file of its own, so that nobody has to look for its end in what others print.
step() { # number, command
  eval "$2" > "$work/results/$1.out" 2>&1 < /dev/null
  echo $? > "$work/results/$1.code"
}
# Commands that stay are ended when they have begun to work.
stays() { # number, command, what must work first
  eval "exec $2" > "$work/results/$1.out" 2>&1 < /dev/null &
  local pid=$! tries=0
  until eval "$3" > /dev/null 2>&1; do
    tries=$((tries + 1))
    [ $tries -lt 400 ] || { echo "it did not work within 40 s: $3" >> "$work/results/$1.out"; kill -KILL $pid; break; }
    sleep 0.1
  done
  kill -TERM $pid
  wait $pid
  echo $? > "$work/results/$1.code"
}
# `goodgateway run`: a reader types what follows in another terminal. It is ended with its section.
runs() { # number
  systemctl enable --now goodgateway.target > "$work/results/$1.out" 2>&1
  echo $? > "$work/results/$1.code"
}
export -f step stays runs
export work

# `set -o pipefail`: of a pipe each program must work.
run_blocks() { # glob
  for block in $1; do
    [ -e "$block" ] || continue
    (cd "$project" && set -o pipefail && source "$block")
  done
}

run_blocks "$work/blocks/fresh-*.sh"

fresh_host php
cp -r "$work/etc/goodgateway" /etc/
chmod -R go-w /etc/goodgateway
goodgateway run >> /var/log/syslog 2>&1 &
healer=$!
until [ "$(curl -fsS http://127.0.0.1:9180/readyz 2> /dev/null | head -c 1)" ] && curl -s http://127.0.0.1:9180/state | grep -q '"healer":"connected"'; do
  kill -0 $healer 2> /dev/null || { cat /var/log/syslog; exit 4; }
  sleep 0.1
done
# an incident: what somebody asks about afterwards
killall -q -9 php-fpm8.2 || pkill -9 -f '^php-fpm: '
for _ in $(seq 600); do
  grep -qs '"event":"incident.recovered"' /var/log/goodgateway/*.jsonl && break
  sleep 0.1
done
CODE=$(grep -ho '"incident":"[0-9A-Z]*"' /var/log/goodgateway/*.jsonl | head -n 1 | tr -d '"' | tail -c 7)
[ "$CODE" ] || { cat /var/log/syslog; exit 5; }
# what syslog would have of it, had this host one
last=$(ls /var/log/goodgateway/audit-*.jsonl | tail -n 1)
# it may be written to meanwhile
cp "$last" "$work/last"
lines=$(wc -l < "$work/last")
CHECKPOINT="$lines:$(head -n "$lines" "$work/last" | tail -n 1 | sha256sum | cut -c 1-64)"
echo "Nov 27 09:00:00 web1 goodgateway: audit checkpoint seq=${CHECKPOINT%:*} head=${CHECKPOINT#*:} file=$last" >> /var/log/syslog
export CODE CHECKPOINT

run_blocks "$work/blocks/running-*.sh"
kill -TERM $healer
wait $healer
