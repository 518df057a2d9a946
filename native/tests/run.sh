#!/usr/bin/env bash
# Builds the kernels and their parity test under ASan and UBSan, and runs it.
set -euo pipefail
cd "$(dirname "$0")/.."
build="$(mktemp -d)"
trap 'rm -rf "$build"' EXIT
flags=(-std=c11 -g -O1 -Iinclude -Isrc -Wall -Wextra -Wvla -Wmissing-prototypes -Werror
       -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer)
cc="${CC:-cc}"
objects=()
for source in src/*.c; do
    extra=()
    case "$source" in
        *_avx2.c) [ "$(uname -m)" = x86_64 ] || continue; extra=(-mavx2) ;;
    esac
    object="$build/$(basename "$source" .c).o"
    "$cc" "${flags[@]}" ${extra[@]+"${extra[@]}"} -c "$source" -o "$object"
    objects+=("$object")
done
"$cc" "${flags[@]}" tests/parity.c "${objects[@]}" -lm -o "$build/parity"
"$build/parity"
