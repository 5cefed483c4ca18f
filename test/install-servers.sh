#!/bin/sh
# Brings the real servers that the tests run: nginx, php-fpm, Apache, MariaDB, PostgreSQL, Redis, memcached, Chromium, a mail
# server and a few small tools.
#
# Installs only where nothing can be disturbed: as root on Debian, and either in CI (CI=true) or where no systemd runs.
# Elsewhere it prints the one command; the tests that need a server are skipped, each with its reason. It never starts
# or stops a service and never fails the test run: exit status 0, whatever happens.
set -u

packages='nginx php8.2-fpm php8.2-cli php8.2-mysql apache2 mariadb-server redis-server memcached chromium curl iproute2 iptables nftables postgresql-15 openssl procps python3-minimal python3-aiosmtpd logrotate'
policy=/usr/sbin/policy-rc.d
marker='# written by goodgateway test/install-servers.sh; safe to remove'

program_of() {
  case $1 in
    nginx) echo /usr/sbin/nginx ;;
    php8.2-fpm) echo /usr/sbin/php-fpm8.2 ;;
    php8.2-cli) echo /usr/bin/php8.2 ;;
    php8.2-mysql) echo /usr/lib/php/20220829/mysqli.so ;;
    apache2) echo /usr/sbin/apache2 ;;
    mariadb-server) echo /usr/sbin/mariadbd ;;
    redis-server) echo /usr/bin/redis-server ;;
    memcached) echo /usr/bin/memcached ;;
    python3-minimal) echo /usr/bin/python3 ;;
    python3-aiosmtpd) echo /usr/lib/python3/dist-packages/aiosmtpd/smtp.py ;;
    chromium) echo /usr/bin/chromium ;;
    curl) echo /usr/bin/curl ;;
    iproute2) echo /usr/sbin/ip ;;
    iptables) echo /usr/sbin/iptables ;;
    nftables) echo /usr/sbin/nft ;;
    postgresql-15) echo /usr/lib/postgresql/15/bin/postgres ;;
    openssl) echo /usr/bin/openssl ;;
    procps) echo /usr/bin/ps ;;
    logrotate) echo /usr/sbin/logrotate ;;
  esac
}

missing_packages() {
  for package in $packages; do
    program=$(program_of "$package")
    [ -e "$program" ] || printf ' %s' "$package"
  done
}

# No service of the machine is started by an installation: 101 means "forbidden by policy". An administrator's own
# policy is put aside and put back.
forbid_service_starts() {
  if [ -e "$policy" ] && ! grep -qF "$marker" "$policy"; then
    mv "$policy" "$policy.before-goodgateway" || return 1
  fi
  printf '#!/bin/sh\n%s\nexit 101\n' "$marker" > "$policy" && chmod 755 "$policy"
}

allow_service_starts() {
  if [ -e "$policy" ] && grep -qF "$marker" "$policy"; then rm -f "$policy"; fi
  if [ -e "$policy.before-goodgateway" ]; then mv "$policy.before-goodgateway" "$policy"; fi
}

install_packages() {
  trap allow_service_starts EXIT
  trap 'exit 0' HUP INT TERM
  forbid_service_starts || return 1
  # needrestart (Ubuntu) restarts services of the machine after an installation; the lock may be another test run's.
  export DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1
  apt-get -o DPkg::Lock::Timeout=300 -qq update || return 1
  # shellcheck disable=SC2086 # a list of words
  apt-get -o DPkg::Lock::Timeout=300 -qq -y --no-install-recommends install $1 || return 1
}

missing=$(missing_packages)
[ -n "$missing" ] || exit 0

by_hand="sudo apt-get update && sudo apt-get install --no-install-recommends$missing"
if [ "$(id -u)" -ne 0 ] || [ ! -e /etc/debian_version ] || ! command -v apt-get > /dev/null; then
  echo "Some servers for the tests are missing:$missing. On Debian 12: $by_hand" >&2
  exit 0
fi
if [ "${CI:-}" != true ] && [ -d /run/systemd/system ]; then
  echo "Some servers for the tests are missing:$missing. Nothing is installed on a machine in use; if you want it: $by_hand" >&2
  exit 0
fi

echo "Installing servers for the tests:$missing" >&2
log=$(mktemp)
if install_packages "$missing" > "$log" 2>&1; then
  echo 'Installed; no service was started.' >&2
else
  tail -n 20 "$log" >&2
  echo "That did not work; tests that need these servers are skipped. By hand: $by_hand" >&2
fi
rm -f "$log"
exit 0
