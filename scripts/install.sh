#!/usr/bin/env bash
# install.sh run|test|acceptance|search - install what is missing on this machine, as far as that is permitted.
#
#   run         Postgres; without it the program fetches its own
#   test        Postgres, Dovecot, Cyrus, openssl, zstd, Chromium, a C compiler for the race detector, and Google's clients of the
#               Gmail API for Node and Python, in bin/gmail-clients
#   acceptance  what test needs, for the acceptance kit
#   search      what test needs, and what search is compared with: notmuch, mbsync, SQLite by Python 3
#
# Says nothing and does nothing when all is there. Installs as root or by `sudo -n` with apt, dnf or apk, with brew as
# oneself; starts no service and leaves none enabled that it has brought. What cannot be installed is named, and that
# is no failure: what needs it says so itself.
set -euo pipefail

purpose=${1:-}
case $purpose in
  run | test | acceptance | search) ;;
  *) sed -n '2,8s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
esac

have() { command -v "$1" >/dev/null 2>&1 || [ -x "/usr/sbin/$1" ] || [ -x "/usr/local/sbin/$1" ]; }

# Postgres 15 or newer, where the program looks for it too.
have_postgres() {
  local program version
  for program in $(command -v postgres || true) /usr/lib/postgresql/*/bin/postgres /usr/pgsql-*/bin/postgres \
    /usr/libexec/postgresql*/postgres /usr/lib/postgresql*/bin/postgres \
    /opt/homebrew/opt/postgresql*/bin/postgres /usr/local/opt/postgresql*/bin/postgres; do
    [ -x "$program" ] && [ -x "$(dirname "$(readlink -f "$program")")/initdb" ] || continue
    version=$("$program" -V | sed -E 's/.*\(PostgreSQL\) ([0-9]+).*/\1/')
    [ "$version" -ge 15 ] && return 0
  done 2>/dev/null
  return 1
}

have_chromium() { have chromium || have chromium-browser || have google-chrome || [ -d "/Applications/Google Chrome.app" ]; }

have_venv() { python3 -c 'import ensurepip, venv' 2>/dev/null; }

# Debian lets nobody have two IMAP servers, so of Cyrus what is common to all its parts is installed, and its imapd is put
# into bin/cyrus for this checkout alone.
have_cyrus() { [ -x /usr/lib/cyrus/bin/master ] && { [ -x /usr/lib/cyrus/bin/imapd ] || [ -x "$(dirname "$0")/../bin/cyrus/imapd" ]; }; }

cyrus() {
  local to work
  have_cyrus && return 0
  to=$(dirname "$0")/../bin/cyrus
  work=$(mktemp -d)
  mkdir -p "$to"
  (cd "$work" && apt-get -qq download cyrus-imapd && dpkg-deb -x cyrus-imapd_*.deb .) >/dev/null 2>&1 &&
    cp "$work/usr/lib/cyrus/bin/imapd" "$to/imapd" || echo "install: apt-get could not fetch cyrus-imapd" >&2
  rm -rf "$work"
}

# Google's own clients, as the tests name them, for this checkout alone.
clients() {
  local from to
  [ "$purpose" != run ] || return 0
  from=$(dirname "$0")/../cmd/imap2api/testdata/gmail
  to=$(dirname "$0")/../bin/gmail-clients
  if have npm && ! cmp -s "$from/node/package-lock.json" "$to/node/done"; then
    echo "install: @googleapis/gmail for Node" >&2
    rm -rf "$to/node" && mkdir -p "$to/node" && cp "$from"/node/package*.json "$to/node/"
    (cd "$to/node" && npm ci --silent --no-audit --no-fund --ignore-scripts) && cp "$from/node/package-lock.json" "$to/node/done" ||
      echo "install: npm could not install it" >&2
  fi
  if have_venv && ! cmp -s "$from/python/requirements.txt" "$to/python/done"; then
    echo "install: google-api-python-client for Python" >&2
    rm -rf "$to/python" && python3 -m venv "$to/python" &&
      "$to/python/bin/pip" install --quiet --disable-pip-version-check -r "$from/python/requirements.txt" &&
      cp "$from/python/requirements.txt" "$to/python/done" || echo "install: pip could not install it" >&2
  fi
}

missing=()
have_postgres || missing+=(postgres)
if [ "$purpose" != run ]; then
  have dovecot || missing+=(dovecot)
  have_cyrus || missing+=(cyrus)
  have openssl || missing+=(openssl)
  have zstd || missing+=(zstd)
  have_chromium || missing+=(chromium)
  have gcc || have cc || missing+=(compiler)
  have npm || missing+=(npm)
  have_venv || missing+=(python)
fi
if [ "$purpose" = search ]; then
  have notmuch || missing+=(notmuch)
  have mbsync || missing+=(isync)
fi
if [ ${#missing[@]} = 0 ]; then
  clients
  exit 0
fi

manager=
for m in apt-get dnf apk brew; do
  if have $m; then manager=$m; break; fi
done
as_root=()
if [ "$manager" != brew ] && [ "$(id -u)" != 0 ]; then
  if have sudo && sudo -n true 2>/dev/null; then as_root=(sudo -n); else manager=; fi
fi
if [ -z "$manager" ]; then
  echo "install: missing and not permitted to be installed here: ${missing[*]}" >&2
  exit 0
fi

# The name of each thing for each package manager; empty where it has none.
package() {
  case $manager:$1 in
    apt-get:postgres) echo postgresql ;;
    apt-get:dovecot) echo dovecot-imapd ;;
    apt-get:cyrus) echo cyrus-common msmtp-mta ;; # it wants some mail transfer agent
    *:cyrus) ;;                                  # the tests know where Debian has it
    apt-get:compiler) echo gcc libc6-dev ;;
    apt-get:python) echo python3-venv ;;
    brew:python) echo python3 ;;
    apt-get:npm | apk:npm) echo nodejs npm ;;
    dnf:npm) echo nodejs-npm ;;
    brew:npm) echo node ;;
    dnf:postgres) echo postgresql-server ;;
    dnf:compiler) echo gcc ;;
    apk:postgres) echo postgresql ;;
    apk:compiler) echo gcc musl-dev ;;
    dnf:python | apk:python) echo python3 ;;
    brew:postgres) echo postgresql@17 ;;
    brew:chromium | brew:compiler) ;; # not as formulas
    *) echo "$1" ;;
  esac
}

packages=()
for thing in "${missing[@]}"; do
  read -ra names <<<"$(package "$thing")"
  packages+=(${names[@]+"${names[@]}"})
done
[ ${#packages[@]} -gt 0 ] || exit 0
echo "install: ${packages[*]}" >&2

log=$(mktemp)
cleanup() { rm -f "$log"; }
trap cleanup EXIT

run() { ${as_root[@]+"${as_root[@]}"} "$@" >>"$log" 2>&1; }

# Debian starts what it installs, and makes a cluster; neither is wanted on a machine that is not ours.
install_apt() {
  local policy=/usr/sbin/policy-rc.d
  if [ ! -e $policy ]; then
    printf '#!/bin/sh\nexit 101\n' | ${as_root[@]+"${as_root[@]}"} tee $policy >/dev/null
    run chmod 755 $policy
    cleanup() { ${as_root[@]+"${as_root[@]}"} rm -f /usr/sbin/policy-rc.d; rm -f "$log"; }
  fi
  if [[ " ${missing[*]} " == *" postgres "* ]] && [ ! -e /etc/postgresql-common/createcluster.conf ]; then
    run mkdir -p /etc/postgresql-common
    echo 'create_main_cluster = false' |
      ${as_root[@]+"${as_root[@]}"} tee /etc/postgresql-common/createcluster.conf >/dev/null
  fi
  run dpkg --configure -a || true # of an install that was interrupted
  run apt-get -qq update || true
  run env DEBIAN_FRONTEND=noninteractive apt-get -qq -y --no-install-recommends \
    -o Dpkg::Options::=--force-confold -o DPkg::Lock::Timeout=120 install "${packages[@]}" || return 1
  [[ " ${missing[*]} " != *" cyrus "* ]] || cyrus
}

disable() {
  have systemctl || return 0
  run systemctl disable "$@" || true
}

done=yes
case $manager in
  apt-get) install_apt || done=no ;;
  dnf) run dnf -q -y install "${packages[@]}" || done=no ;;
  apk) run apk add -q "${packages[@]}" || done=no ;;
  brew) HOMEBREW_NO_AUTO_UPDATE=1 run brew install -q "${packages[@]}" || done=no ;;
esac
for thing in "${missing[@]}"; do
  case $thing in
    postgres) disable postgresql ;;
    dovecot) disable dovecot.service dovecot.socket ;;
  esac
done
if [ $done = no ]; then
  echo "install: $manager could not install ${packages[*]}:" >&2
  tail -n 5 "$log" >&2
fi
clients
