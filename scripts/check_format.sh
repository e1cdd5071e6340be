#!/bin/sh
# Every C++ and CUDA source is in the house format (.clang-format), comments within 100 columns.
# With --mend it puts them there.
set -eu
cd "$(dirname "$0")/.."
command -v clang-format >/dev/null || {
    echo "check_format: clang-format is missing; run scripts/setup.sh" >&2
    exit 1
}
files=$(find . \( -path './.*' -o -path ./build -o -path ./runs -o -path ./third_party \) -prune \
    -o \( -name '*.cc' -o -name '*.h' -o -name '*.cu' -o -name '*.cuh' \) -print)
if [ "${1:-}" = --mend ]; then
    # shellcheck disable=SC2086
    exec clang-format -i $files
fi
# shellcheck disable=SC2086
clang-format --dry-run -Werror $files || {
    echo "check_format: FAILED; make format mends it" >&2
    exit 1
}
# clang-format does not wrap comments.
# shellcheck disable=SC2086
if grep -nE '^.{101,}' $files; then
    echo "check_format: FAILED; these lines have more than 100 columns" >&2
    exit 1
fi
echo "check: format        $(echo "$files" | wc -l) sources are in the house format"
