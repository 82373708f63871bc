#!/bin/sh
# One image for everything: `src dest [src dest …]` as KServe's storage-initializer is called, or any command of ferry.
# Sources: ferry://namespace/name[@ref], hf://namespace/name[:ref], hf://namespace/name[@ref].
# The last line of standard error is what `kubectl describe` shows.
set -eu

# Prints the target that ferry knows by a source's name.
target_of() {
  case "$1" in
    ferry://*) name=${1#ferry://} ;;
    hf://*) name=${1#hf://} ;;
    *) return 1 ;;
  esac
  name=${name%/}
  case "$name" in
    *@*) printf '%s\n' "$name" ;;
    *:*) printf '%s@%s\n' "${name%%:*}" "${name#*:}" ;;
    *) printf '%s\n' "$name" ;;
  esac
}

case "${1:-}" in
  ferry://* | hf://*) ;;
  *) exec "${FERRY:-ferry}" "$@" ;;
esac

while [ $# -gt 0 ]; do
  if [ $# -lt 2 ]; then
    echo "ferry: $1 has no destination: give pairs of source and destination" >&2
    exit 2
  fi
  if ! target=$(target_of "$1"); then
    echo "ferry: $1 is neither ferry:// nor hf://" >&2
    exit 2
  fi
  TMPDIR="${TMPDIR:-/tmp}" "${FERRY:-ferry}" pull "$target" "$2" --quiet
  shift 2
done
