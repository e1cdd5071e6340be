#!/bin/sh
# Builds with CUDA and runs the tests on a machine that has a GPU, g++ and nvcc, and perhaps nothing
# else. The headers of Boost.Test, CLI11 and nlohmann-json are taken from third_party/include where
# scripts/carry_headers.sh has put them, else from the system. Arguments go to the test program:
#
#   scripts/gpu_check.sh --run_test=relu
set -eu
cd "$(dirname "$0")/.."

nvcc=$(command -v nvcc || ls /usr/local/cuda/bin/nvcc 2>/dev/null) || {
    echo "gpu_check.sh: nvcc is missing; install the CUDA Toolkit or put its bin into PATH" >&2
    exit 1
}
gpu=$(nvidia-smi --query-gpu=name,driver_version --format=csv,noheader 2>/dev/null) ||
    gpu="none answers; the CUDA slots are built, not run"
echo "gpu: $gpu"

# Without zlib only plain IDX is read.
for packed in third_party/fashion-mnist/*.gz; do
    [ ! -e "$packed" ] || [ -e "${packed%.gz}" ] || gzip -dk "$packed"
done

exec make -j"$(nproc)" NVCC="$nvcc" OPENBLAS=0 ONNX=0 ZLIB=0 ARGS="$*" test
