# shellcheck shell=bash
# Completes the commands of spinet by asking spinet what fits. Sourced.
_spinet() {
  local words=() rest=${COMP_LINE:0:COMP_POINT} space piece word quote i
  # bash ends a word at @, = and : too, which belong to it
  for ((i = 0; i <= COMP_CWORD; i++)); do
    piece=${COMP_WORDS[i]}
    space=${rest%%[![:space:]]*}
    rest=${rest#"$space"}
    if ((i == COMP_CWORD)); then piece=$rest; fi
    rest=${rest#"$piece"}
    if ((i == 0)) || [[ -n $space ]]; then words+=("$piece"); else words[-1]+=$piece; fi
  done
  word=${words[-1]}
  case $word in *[\"\']*) quote=yes ;; *) quote= ;; esac
  mapfile -t COMPREPLY < <(
    _CLAP_IFS=$'\n' _CLAP_COMPLETE_INDEX=$((${#words[@]} - 1)) COMPLETE=bash \
      spinet -- "${words[@]//[\\\"\']/}" 2>/dev/null
  )
  # what readline leaves in its place
  word=${word%"$2"}
  for i in "${!COMPREPLY[@]}"; do
    piece=${COMPREPLY[i]}
    case $piece in */ | *=) compopt -o nospace ;; esac
    if [[ -z $quote ]]; then printf -v piece %q "$piece"; fi
    COMPREPLY[i]=${piece#"$word"}
  done
}
complete -o bashdefault -o nosort -F _spinet spinet
