#!/bin/sh
# Runs one fuzzer on its seeds for some seconds and says in a line how many inputs it has tried.
#
#   scripts/run_fuzzer.sh build/fuzz/fuzz_idx 15
#
# It keeps findings next to the program, in FUZZER-finding-*, and its corpus in FUZZER-corpus.
set -eu
fuzzer=$1
seconds=$2
name=$(basename "$fuzzer")
mkdir -p "$fuzzer-corpus"
if ! "$fuzzer" -max_total_time="$seconds" -max_len=4096 -rss_limit_mb=2048 -verbosity=1 \
    -print_final_stats=1 -artifact_prefix="$fuzzer-finding-" "$fuzzer-corpus" \
    "tests/fuzz/corpus/${name#fuzz_}" >"$fuzzer.log" 2>&1; then
    tail -n 40 "$fuzzer.log" >&2
    echo "run_fuzzer.sh: $name has found something; the input is $fuzzer-finding-*" >&2
    exit 1
fi
echo "$name: $(sed -n 's/^stat::number_of_executed_units: *//p' "$fuzzer.log") inputs, no finding"
