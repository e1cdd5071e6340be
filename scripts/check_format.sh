#!/bin/sh
# Every C++ and CUDA source is in the house format (.clang-format). `make format` puts it there.
set -eu
cd "$(dirname "$0")/.."
command -v clang-format >/dev/null || {
    echo "check_format: clang-format is missing; run scripts/setup.sh" >&2
    exit 1
}
files=$(git ls-files --cached --others --exclude-standard '*.cc' '*.h' '*.cu' '*.cuh')
# shellcheck disable=SC2086
clang-format --dry-run -Werror $files || {
    echo "check_format: FAILED; make format mends it" >&2
    exit 1
}
echo "check: format        $(echo "$files" | wc -l) sources are in the house format"
