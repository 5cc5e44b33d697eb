#compdef spinet
# Completes the commands of spinet by asking spinet what fits. Sourced, or in $fpath as _spinet.
_spinet() {
  local answer value
  local -a typed folders others
  typed=("${(@Q)words[1,CURRENT-1]}" "${(Q)PREFIX}")
  answer=$(_CLAP_IFS=$'\n' _CLAP_COMPLETE_INDEX=$((CURRENT - 1)) COMPLETE=zsh spinet -- "${typed[@]}" 2>/dev/null)
  for value in "${(@f)answer}"; do
    # a folder is not the end of the word
    case ${value%%:*} in
      '') ;;
      */) folders+=("${${value%%:*}%/}") ;;
      *) others+=("$value") ;;
    esac
  done
  (( $#others )) && _describe -V spinet others
  (( $#folders )) && _describe -V folders folders -S / -r /
}
# the first time, a file of $fpath is the function itself
if [[ ${funcstack[1]} == _spinet ]]; then _spinet "$@"; else compdef _spinet spinet; fi
