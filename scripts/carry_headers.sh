#!/bin/sh
# Fills third_party/ (ignored by git) from the installed Debian packages, for a machine that has a
# compiler but no package manager: third_party/include holds the header-only libraries,
# third_party/fashion-mnist the data. Then carry the whole folder there and run scripts/gpu_check.sh.
set -eu
cd "$(dirname "$0")/.."
include=third_party/include

rm -rf third_party
mkdir -p $include third_party/fashion-mnist
for needed in boost/test/unit_test.hpp CLI/CLI.hpp nlohmann/json.hpp stb/stb_image.h; do
    [ -e "/usr/include/$needed" ] || {
        echo "carry_headers.sh: /usr/include/$needed is missing; run scripts/setup.sh" >&2
        exit 1
    }
done
cp -rL /usr/include/CLI /usr/include/nlohmann /usr/include/stb $include/

# Copies only the Boost headers that the tests include, as the compiler lists them.
grep -h '#include <boost/' tests/*.cc tests/*.h | sort -u |
    g++ -std=c++20 -M -x c++ - | tr -s ' \\' '\n' | grep '^/usr/include/boost/' | sort -u |
    while read -r header; do
        to=$include/${header#/usr/include/}
        mkdir -p "$(dirname "$to")"
        cp -L "$header" "$to"
    done
cp -L /usr/share/datasets/fashion-mnist/*.gz third_party/fashion-mnist/
echo "carried into third_party: $(du -sh third_party | cut -f1)"
