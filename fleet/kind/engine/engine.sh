#!/usr/bin/env bash
# Starts a Docker engine on a machine without one that runs (no systemd, or packages that do not start it), and stops it again.
#
#   engine.sh start    needs root and Docker's packages; does nothing where an engine answers
#   engine.sh stop     ends the engine that start has started, and no other
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
state=$(cd "$here/../../.." && pwd)/.cache/kind/engine
readonly here state
# Four clusters of one node each watch more files than kernels let one user by default.
readonly watchers=1024
readonly patience=30

fail() {
  echo "engine.sh: $*" >&2
  exit 1
}

# The number may be another process's by now, if the engine did not end in order.
running() { [[ -f $state/pid && $(cat "/proc/$(<"$state/pid")/comm" 2>/dev/null) == dockerd ]]; }

start() {
  if docker version >/dev/null 2>&1; then
    return
  fi
  command -v dockerd >/dev/null || fail "no Docker engine on this machine: install one, which distributions package"
  [[ $(id -u) == 0 ]] || fail "starting a Docker engine needs root; or start yours (systemctl start docker) and try again"
  mkdir -p "$state"
  if (($(sysctl -n fs.inotify.max_user_instances) < watchers)); then
    sysctl -qw fs.inotify.max_user_instances=$watchers
  fi
  nohup dockerd --pidfile "$state/pid" --ip-masq=false --add-runtime "bounded=$here/runc-within-bounds" --default-runtime bounded \
    >"$state/log" 2>&1 &
  for _ in $(seq $patience); do
    if docker version >/dev/null 2>&1; then
      return
    fi
    sleep 1
  done
  tail -n 5 "$state/log" >&2
  fail "the Docker engine did not answer within $patience s; its log is $state/log"
}

stop() {
  running || return 0
  local pid
  pid=$(<"$state/pid")
  kill "$pid"
  for _ in $(seq $patience); do
    running || return 0
    sleep 1
  done
  fail "the Docker engine (process $pid) did not end within $patience s"
}

case ${1:-} in
  start | stop) "$1" ;;
  *) fail "usage: engine.sh start|stop" ;;
esac
