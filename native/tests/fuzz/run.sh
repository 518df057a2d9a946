#!/usr/bin/env bash
# Fuzzes the entry points with clang's libFuzzer: run.sh [SECONDS] [CORPUS].
# What it finds lies in CORPUS (kept beside the build when none is named) as crash-*.
set -euo pipefail
seconds="${1:-60}"
cd "$(dirname "$0")/../.."
cc="${CLANG:-clang}"
if ! command -v "$cc" >/dev/null; then
    echo "not fuzzed: $cc is missing"
    exit
fi
build="$(mktemp -d)"
trap 'rm -rf "$build"' EXIT
corpus="${2:-$build/corpus}"
mkdir -p "$corpus"
flags=(-std=c11 -g -O1 -Iinclude -Isrc -fsanitize=fuzzer-no-link,address,undefined
       -fno-sanitize-recover=all -fno-omit-frame-pointer)
objects=()
for source in src/*.c; do
    extra=()
    case "$source" in
        *_avx2.c) [ "$(uname -m)" = x86_64 ] || continue; extra=(-mavx2) ;;
        *_neon.c) [ "$(uname -m)" = aarch64 ] || continue ;;
    esac
    objects+=("$build/$(basename "$source" .c).o")
    "$cc" "${flags[@]}" ${extra[@]+"${extra[@]}"} -c "$source" -o "${objects[-1]}"
done
"$cc" "${flags[@]}" -fsanitize=fuzzer tests/fuzz/kernels.c "${objects[@]}" -lm -o "$build/kernels"
"$build/kernels" -max_total_time="$seconds" -max_len=4096 -timeout=20 -print_final_stats=1 \
    -artifact_prefix="$corpus/" "$corpus"
