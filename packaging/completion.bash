# bash completion of keepalived: the options are asked of the program itself.
_keepalived() {
    local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}
    case $previous in
        -f | --use-file | -p | --pid | -r | --vrrp_pid | -c | --checkers_pid | -b | --bfd_pid)
            mapfile -t COMPREPLY < <(compgen -f -- "$current")
            return
            ;;
        -S | --log-facility)
            mapfile -t COMPREPLY < <(compgen -W "0 1 2 3 4 5 6 7 local0 local1 local2 local3 local4 local5 local6 local7 user daemon" -- "$current")
            return
            ;;
        --signum)
            mapfile -t COMPREPLY < <(compgen -W "STOP RELOAD DATA STATS STATS_CLEAR JSON" -- "$current")
            return
            ;;
        -s | --namespace)
            mapfile -t COMPREPLY < <(compgen -W "$(ls /run/netns 2>/dev/null)" -- "$current")
            return
            ;;
    esac
    local options
    options=$("${COMP_WORDS[0]}" --help 2>&1 | grep -oE -- '(^|[ ,])--?[A-Za-z][A-Za-z_-]*' | tr -d ' ,')
    mapfile -t COMPREPLY < <(compgen -W "$options" -- "$current")
}
complete -F _keepalived -o filenames keepalived
