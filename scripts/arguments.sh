# shellcheck shell=bash
# Sourced by deploy.sh and test.sh: parses their arguments.

# Succeeds where an argument asks for help.
asks_for_help() { # ARGUMENT...
    local argument
    for argument in "$@"; do
        case $argument in
            -h | --help) return 0 ;;
        esac
    done
    return 1
}
