# bash completion of davitd                                                    -*- shell-script -*-
# Copyright the davit authors
# SPDX-License-Identifier: Apache-2.0
#
# Everything is asked of davitd itself: options of -help, names of "-X help", properties of
# "-device X,help" and of "-machine X,help".

_davitd_names() { # DAVITD OPTION: the names that "OPTION help" lists, and help
  "$1" "$2" help 2>/dev/null |
    sed -n -e 's/^x86 //p' -e t -e '/^Recognized/q' -e 's/^name "\([^"]*\)".*/\1/p' -e t -e 's/^ *\([a-z0-9][A-Za-z0-9._-]*\)\( .*\)\{0,1\}$/\1/p'
  echo help
}

_davitd_keys() { # DAVITD OPTION NAME: the keys that go with it, each with its =
  "$1" "$2" "$3,help" 2>/dev/null | sed -n 's/^ *\([A-Za-z0-9._-]*\)=<.*/\1=/p'
}

_davitd() {
  local davitd=$1 line=${COMP_LINE:0:COMP_POINT} token option done_part last choices
  COMPREPLY=()
  # bash cuts words at = and : too; what is typed here is one word up to a blank.
  token=${line##*[[:space:]]}
  line=${line%"$token"}
  line=${line%"${line##*[![:space:]]}"}
  option=${line##*[[:space:]]}
  option=-${option##*-}
  done_part="" last=$token
  if [[ $token == *,* ]]; then
    done_part=${token%,*}, last=${token##*,}
  fi
  case ${line##*[[:space:]]} in
    -kernel | -initrd | -dtb | -readconfig | -pidfile | -D | -qtest-log)
      compopt -o filenames 2>/dev/null
      mapfile -t COMPREPLY < <(compgen -f -- "$token")
      return
      ;;
    -device | -machine | -M | -cpu | -accel | -object | -chardev | -netdev | -d)
      option=${line##*[[:space:]]}
      if [[ -z $done_part || $option == -d ]]; then
        choices=$(_davitd_names "$davitd" "$option")
      elif [[ $option == -device || $option == -machine || $option == -M ]]; then
        choices=$(_davitd_keys "$davitd" "$option" "${token%%,*}")
      else
        return
      fi
      ;;
    -global) choices=$(_davitd_names "$davitd" -device | sed '/^help$/d; s/$/./') ;;
    -display | -monitor | -nic | -net) choices=none ;;
    *)
      [[ $token == -* || -z $token ]] || return
      choices=$("$davitd" -help 2>/dev/null | sed -n 's/^\(-[a-z][A-Za-z_-]*\).*/\1/p')
      ;;
  esac
  [[ $last != *=* ]] || return
  mapfile -t COMPREPLY < <(compgen -P "$done_part" -W "$choices" -- "$last")
  # bash puts an answer in the place of the part after its last cut only.
  local cut=${token%"${token##*[=:]}"} i
  for i in "${!COMPREPLY[@]}"; do COMPREPLY[i]=${COMPREPLY[i]#"$cut"}; done
  [[ ${#COMPREPLY[@]} != 1 || ${COMPREPLY[0]} != *[=.] ]] || compopt -o nospace 2>/dev/null
}
complete -F _davitd davitd
