# bash completion of qmp-shell                                                 -*- shell-script -*-
# Copyright the davit authors
# SPDX-License-Identifier: Apache-2.0

_qmp_shell() {
  local word=${COMP_WORDS[COMP_CWORD]}
  if [[ $word == -* ]]; then
    mapfile -t COMPREPLY < <(
      compgen -W "$("$1" --help 2>/dev/null | grep -o -e '--[a-z-]*' | sort -u)" -- "$word")
    return
  fi
  compopt -o filenames 2>/dev/null
  # Sockets of the units davit@NAME, and any other file.
  mapfile -t COMPREPLY < <(
    { compgen -G "/run/davit/*/qmp.sock" | grep -F -e "$word"
      compgen -f -- "$word"; } | sort -u)
}
complete -F _qmp_shell qmp-shell
