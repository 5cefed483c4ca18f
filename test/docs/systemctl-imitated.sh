#!/bin/sh
# On the host of the documentation's test no systemd runs. What the pages ask of systemctl is done by hand; anything else
# fails. The real units are tested where a systemd is booted.
case "$*" in
  daemon-reload) ;;
  'reload nginx') exec /usr/sbin/nginx -s reload ;;
  'kill -s KILL php8.2-fpm') exec pkill -KILL -f '^php-fpm: ' ;;
  'enable --now goodgateway.target')
    setsid goodgateway run > /run/imitated.log 2>&1 < /dev/null &
    echo $! > /run/imitated.pid
    tries=0
    until curl -s http://127.0.0.1:9180/state | grep -q '"healer":"connected"'; do
      tries=$((tries + 1))
      [ $tries -lt 400 ] || { cat /run/imitated.log; exit 1; }
      sleep 0.1
    done
    ;;
  'disable --now goodgateway.target')
    pid=$(cat /run/imitated.pid)
    rm /run/imitated.pid
    kill -TERM "$pid"
    while kill -0 "$pid" 2> /dev/null; do sleep 0.1; done
    ;;
  *) echo "systemctl $*: not imitated"; exit 1 ;;
esac
