#!/usr/bin/env bash
# Builds the kernels and their tests under ASan and UBSan and runs them; then, where its
# compiler and emulator are there, the same tests for AArch64.
set -euo pipefail
cd "$(dirname "$0")/.."
build="$(mktemp -d)"
trap 'rm -rf "$build"' EXIT
warnings=(-std=c11 -Iinclude -Isrc -Wall -Wextra -Wvla -Wmissing-prototypes -Werror)
sanitizers=(-g -O1 -fsanitize=address,undefined -fno-sanitize-recover=all
            -fno-omit-frame-pointer)

# compile COMPILER MACHINE FOLDER FLAG...: the tests as FOLDER/parity and FOLDER/entries.
compile() {
    local cc="$1" machine="$2" folder="$3" source extra objects=()
    shift 3
    mkdir -p "$folder"
    for source in src/*.c; do
        extra=()
        case "$source" in
            *_avx2.c) [ "$machine" = x86_64 ] || continue; extra=(-mavx2) ;;
            *_neon.c) [ "$machine" = aarch64 ] || continue ;;
        esac
        objects+=("$folder/$(basename "$source" .c).o")
        "$cc" "${warnings[@]}" "$@" ${extra[@]+"${extra[@]}"} -c "$source" -o "${objects[-1]}"
    done
    for source in tests/*.c; do
        "$cc" "${warnings[@]}" "$@" "$source" "${objects[@]}" -lm \
            -o "$folder/$(basename "$source" .c)"
    done
}

machine="$(uname -m)"
case "$machine" in amd64) machine=x86_64 ;; arm64) machine=aarch64 ;; esac
compile "${CC:-cc}" "$machine" "$build/here" "${sanitizers[@]}"
"$build/here/parity"
"$build/here/entries"
HOMEVEIL_CPU=c "$build/here/entries"

if [ "$machine" = aarch64 ]; then exit; fi
if ! command -v aarch64-linux-gnu-gcc >/dev/null; then
    echo "NEON: not compiled, aarch64-linux-gnu-gcc is missing"
    exit
fi
# Sanitizers do not run under the emulator; the canaries do.
compile aarch64-linux-gnu-gcc aarch64 "$build/arm" -O2 -static
if ! command -v qemu-aarch64 >/dev/null; then
    echo "NEON: compiled, not run: qemu-aarch64 is missing"
    exit
fi
qemu-aarch64 "$build/arm/parity"
qemu-aarch64 "$build/arm/entries"
