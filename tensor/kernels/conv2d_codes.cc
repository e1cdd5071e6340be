#include "tensor/kernels/conv2d_codes.h"

#include <algorithm>

#include "tensor/cpu.h"
#include "tensor/kernels/conv2d.h"
#include "tensor/kernels/conv2d_codes_saturating.h"
#include "tensor/kernels/conv2d_codes_simd.h"
#include "tensor/parallel.h"

namespace gradus {

namespace {

// The specification. Padding has the code of the zero point, so its products are 0.
template <class X, class W>
void accumulate_rows(const ConvCodes& conv, int64_t row, int64_t rows, int32_t* acc) {
    const Conv2dShape& s = conv.shape;
    const X* x = static_cast<const X*>(conv.x);
    const W* w = static_cast<const W*>(conv.w);
    for (int64_t i = 0; i < rows * s.o; ++i) acc[i] = conv.bias ? conv.bias[i % s.o] : 0;
    for_each_conv2d_run(s, row, row + rows, [&](int64_t yi, int64_t xi, int64_t wi) {
        const int32_t zx = conv.x_zero_point;
        const int32_t zw = conv.w_zero_point ? conv.w_zero_point[yi % s.o] : 0;
        int32_t sum = 0;
        for (int64_t c = 0; c < s.group_in(); ++c) sum += (x[xi + c] - zx) * (w[wi + c] - zw);
        acc[yi - row * s.o] += sum;
    });
}

template <class X>
void accumulate_rows(const ConvCodes& conv, int64_t row, int64_t rows, int32_t* acc) {
    if (conv.w_signed) {
        accumulate_rows<X, int8_t>(conv, row, rows, acc);
    } else {
        accumulate_rows<X, uint8_t>(conv, row, rows, acc);
    }
}

void conv2d_codes_readable(const ConvCodes& conv, const AccumulatorEpilogue& epilogue) {
    const int64_t all_rows = conv.shape.n * conv.shape.oh * conv.shape.ow;
    parallel_chunks(all_rows, 16, [&](int64_t begin, int64_t end) {
        std::vector<int32_t> acc((end - begin) * conv.shape.o);
        if (conv.x_signed) {
            accumulate_rows<int8_t>(conv, begin, end - begin, acc.data());
        } else {
            accumulate_rows<uint8_t>(conv, begin, end - begin, acc.data());
        }
        epilogue(begin, end - begin, acc.data());
    });
}

void conv2d_codes_cpu(const ConvCodes& conv, IntegerKernel kernel,
                      const AccumulatorEpilogue& epilogue) {
    const std::vector<IntegerKernel> available = integer_kernels();
    if (kernel == IntegerKernel::fastest) kernel = available.back();
    check(std::find(available.begin(), available.end(), kernel) != available.end(),
          "conv2d_codes: this CPU has no ", integer_kernel_name(kernel), "; use fastest");
    if (!conv2d_codes_vectorizes(conv)) kernel = IntegerKernel::readable;
    if (conv.policy != AccumulatorPolicy::exact) {
        const bool readable = kernel == IntegerKernel::readable;
        return readable ? conv2d_codes_saturating(conv, epilogue)
                        : conv2d_codes_avx2(conv, epilogue);
    }
    switch (kernel) {
        case IntegerKernel::avx512_vnni:
            return conv2d_codes_avx512_vnni(conv, epilogue);
        case IntegerKernel::avx2:
            return conv2d_codes_avx2(conv, epilogue);
        default:
            return conv2d_codes_readable(conv, epilogue);
    }
}

}  // namespace

const char* integer_kernel_name(IntegerKernel kernel) {
    switch (kernel) {
        case IntegerKernel::fastest:
            return "fastest";
        case IntegerKernel::readable:
            return "readable";
        case IntegerKernel::avx2:
            return "avx2";
        case IntegerKernel::avx512_vnni:
            return "avx512_vnni";
    }
    return "?";
}

const char* accumulator_name(AccumulatorPolicy policy) {
    const char* names[] = {"exact", "pairs16", "acc16"};
    return names[static_cast<int>(policy)];
}

AccumulatorPolicy find_accumulator(const std::string& name) {
    for (const auto policy :
         {AccumulatorPolicy::exact, AccumulatorPolicy::pairs16, AccumulatorPolicy::acc16}) {
        if (name == accumulator_name(policy)) return policy;
    }
    fail(ErrorKind::usage, "no accumulator is called ", name, "; there are exact, pairs16, acc16");
}

std::vector<IntegerKernel> integer_kernels() {
    std::vector<IntegerKernel> kernels{IntegerKernel::readable, IntegerKernel::avx2};
    if (cpu_has_avx512_vnni()) kernels.push_back(IntegerKernel::avx512_vnni);
    return kernels;
}

constinit Kernel<void(const ConvCodes&, IntegerKernel, const AccumulatorEpilogue&)> conv2d_codes{
    "conv2d_codes", conv2d_codes_cpu};

}  // namespace gradus
