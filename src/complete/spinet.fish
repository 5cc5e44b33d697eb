# Completes the commands of spinet by asking spinet what fits. Sourced.
function __spinet_complete
    set -l words (commandline --current-process --tokenize --cut-at-cursor)
    set -l word (commandline --current-token --cut-at-cursor | string replace --all --regex '[\\\\"\']' '')
    COMPLETE=fish spinet -- $words "$word" 2>/dev/null
end
complete --keep-order --exclusive --command spinet --arguments '(__spinet_complete)'
