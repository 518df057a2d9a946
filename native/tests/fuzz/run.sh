#!/usr/bin/env bash
# Builds the libFuzzer target under ASan and UBSan and runs it: native/tests/fuzz/run.sh [SECONDS]
set -euo pipefail
cd "$(dirname "$0")/../.."
seconds="${1:-60}"
clang="${CLANG:-$(command -v clang clang-19 clang-16 clang-14 | head -n 1 || true)}"
if [ -z "$clang" ]; then
    echo "fuzz: not run, clang is missing"
    exit
fi
build="$(mktemp -d)"
trap 'rm -rf "$build"' EXIT
flags=(-std=c11 -ffp-contract=off -g -O1 -Iinclude -Isrc -Wall -Wextra
       -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer)
objects=()
for source in src/*.c tests/fuzz/kernels.c; do
    extra=(-fsanitize=fuzzer-no-link)
    case "$source" in
        *_avx2.c) [ "$(uname -m)" = x86_64 ] || continue; extra+=(-mavx2) ;;
        *_neon.c) [ "$(uname -m)" = aarch64 ] || continue ;;
    esac
    objects+=("$build/$(basename "$source" .c).o")
    "$clang" "${flags[@]}" "${extra[@]}" -c "$source" -o "${objects[-1]}"
done
"$clang" "${flags[@]}" -fsanitize=fuzzer "${objects[@]}" -lm -o "$build/kernels"
mkdir "$build/corpus"
"$build/kernels" -max_total_time="$seconds" -max_len=256 -print_final_stats=1 \
    -artifact_prefix="$build/" "$build/corpus" 2> "$build/log" || {
    tail -n 60 "$build/log"
    exit 1
}
grep -E "DONE|stat::" "$build/log"
