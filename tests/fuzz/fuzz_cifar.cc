// CIFAR-10 and CIFAR-100. The first byte chooses, the second is the expected number of records.
#include "data/cifar.h"
#include "tests/fuzz/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
    if (size < 2) return 0;
    const gradus::Cifar& cifar = bytes[0] % 2 == 0 ? gradus::cifar10() : gradus::cifar100();
    return gradus::fuzz::run_on_bytes(size - 2, [&] {
        gradus::CifarImages images;
        gradus::parse_cifar(cifar, "fuzz", {bytes + 2, size - 2}, bytes[1], images);
    });
}
