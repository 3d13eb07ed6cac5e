# shellcheck shell=bash
# Copyright the davit authors
# SPDX-License-Identifier: Apache-2.0
#
# Sourced by ./run and ./test: installs what .ci/packages names and the machine lacks.
# Asks apt only when something is absent.

davit_die() {
  printf '%s: %s\n' "$(basename "$0")" "$*" >&2
  exit 1
}

davit_missing_packages() {
  local package
  while read -r package; do
    case "$package" in '' | '#'*) continue ;; esac
    # ${db:Status-Status} is dpkg-query's own format.
    # shellcheck disable=SC2016
    [ "$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null)" = installed ] ||
      printf '%s\n' "$package"
  done <"$1"
}

davit_setup() {
  local root=$1 missing sudo=
  command -v dpkg-query >/dev/null ||
    davit_die "this script sets up Debian 12 and relatives; install the packages of .ci/packages by hand"
  missing=$(davit_missing_packages "$root/.ci/packages")
  [ -n "$missing" ] || return 0
  if [ "$(id -u)" != 0 ]; then
    # shellcheck disable=SC2086
    command -v sudo >/dev/null ||
      davit_die "packages are missing and sudo is not there; as root: apt-get install" $missing
    sudo=sudo
  fi
  printf 'Installing missing packages: %s\n' "$(printf '%s' "$missing" | tr '\n' ' ')"
  # One list of words, wanted split.
  # shellcheck disable=SC2086
  { $sudo apt-get update -qq &&
    $sudo env DEBIAN_FRONTEND=noninteractive \
      apt-get install -y -qq --no-install-recommends $missing; } >"${TMPDIR:-/tmp}/davit-apt.$$" 2>&1 ||
    { tail -n 20 "${TMPDIR:-/tmp}/davit-apt.$$" >&2
      davit_die "apt could not install the packages (whole log: ${TMPDIR:-/tmp}/davit-apt.$$)"; }
  rm -f "${TMPDIR:-/tmp}/davit-apt.$$"
}
