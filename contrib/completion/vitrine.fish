# fish completion for vitrine(1): `vitrine complete' knows what may follow.

function __vitrine_complete
    set -l words (commandline -opc)
    set -l command $words[1]
    set -e words[1]
    set -l current (commandline -ct)
    set -l before ''
    # --option=value: the value by itself.
    if string match -q -- '--*=*' $current
        set before (string replace -r -- '=.*' '=' $current)
        set -a words (string replace -r -- '=.*' '' $current)
        set current (string replace -r -- '^[^=]*=' '' $current)
    end
    for line in ($command complete -- $words "$current" 2>/dev/null)
        switch $line
            case ':nospace'
            case ':files'
                __fish_complete_path $before$current
            case ':directories'
                __fish_complete_directories $before$current
            case '*'
                echo $before$line
        end
    end
end
complete -c vitrine -f -a '(__vitrine_complete)'
