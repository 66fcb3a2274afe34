# Sourced by deploy/quickstart and tests/run: who runs things, and where. Needs: bash, util-linux. Defines
#   fail MESSAGE            one line on stderr, exit 1
#   ensure_user             as root, makes the system user `custodian`
#   as_custodian COMMAND    runs COMMAND as that user (as root), or as oneself
#   reachable PATH          whether that user can read PATH
#   postgres_bin            folder of PostgreSQL 15's programs

fail() { echo "${0##*/}: $*" >&2; exit 1; }

ensure_user() {
  [ "$(id -u)" = 0 ] || return 0
  id custodian >/dev/null 2>&1 && return 0
  useradd --system --home-dir /var/lib/custodian --create-home --shell /usr/sbin/nologin custodian
}

as_custodian() {
  if [ "$(id -u)" = 0 ]; then
    HOME=/var/lib/custodian setpriv --reuid=custodian --regid=custodian --init-groups "$@"
  else
    "$@"
  fi
}

reachable() { as_custodian test -r "$1" -a -x "$1"; }

postgres_bin=/usr/lib/postgresql/15/bin
