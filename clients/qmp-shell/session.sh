#!/usr/bin/env bash
# Copyright the davit authors
# SPDX-License-Identifier: Apache-2.0
#
# session.sh DAVITD QMP_SHELL [--demo SCRIPT] [--] [DAVITD-OPTION...]: what ./run does when all is built.
# Starts a VM and a qmp-shell on it, or the script in the shell's place; the VM ends with it.
set -euo pipefail
davitd=$1 shell=$2
shift 2
demo=
[ "${1-}" != --demo ] || { demo=$2 && shift 2; }
[ "${1-}" != -- ] || shift

dir=$(mktemp -d "${TMPDIR:-/tmp}/davit.XXXXXX")
pid=
cleanup() {
  [ -z "$pid" ] || kill "$pid" 2>/dev/null || true
  # It is no child of ours any more: wait until it is gone.
  [ -z "$pid" ] || tail --pid="$pid" -f /dev/null
  rm -rf "$dir"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# stdio stays the shell's: the guest's serial port goes to a file.
"$davitd" -display none -monitor none -serial "file:$dir/serial.log" \
  -qmp "unix:$dir/qmp.sock,server=on,wait=off" -pidfile "$dir/pid" -daemonize "$@"
pid=$(cat "$dir/pid")
printf 'davitd %s: QMP on %s, guest serial port in %s\n' "$pid" "$dir/qmp.sock" "$dir/serial.log"

if [ -n "$demo" ]; then
  "$shell" -v "$dir/qmp.sock" <"$demo"
  printf 'The guest said on its serial port:\n'
  sed 's/^/  | /' "$dir/serial.log"
  printf 'Demo done.\n'
else
  trap : INT # the shell's
  "$shell" "$dir/qmp.sock"
fi
