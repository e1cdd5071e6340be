// fake_quantize_golden -- the vectors of tests/golden/make_fake_quantize.py, case by case.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "quant/quantize_codes.h"
#include "tests/compare.h"

namespace gradus {

class FakeQuantizeGolden {
  public:
    // "tensor", "channel0", "channel1", "channel2" or "ties".
    explicit FakeQuantizeGolden(const std::string& folder)
        : folder_("fake_quantize/" + folder + "/"), axis_(axis_of(folder)) {
        for (const char* name :
             {"x", "dy", "scale", "zero_point", "learned_zero_point", "qmin", "qmax", "grad_factor",
              "y", "dx", "learned_y", "learned_dx", "learned_ds", "learned_dz"}) {
            arrays_[name] = golden(folder_ + name);
        }
    }

    int64_t cases() const { return arrays_.at("x").shape()[0]; }
    int axis() const { return axis_; }  // of the scales; -1: one for all

    // The array `name` for case k.
    Tensor row(const std::string& name, int64_t k) const {
        const Tensor& all = arrays_.at(name);
        std::vector<int64_t> dims;
        for (int i = 1; i < all.shape().rank(); ++i) dims.push_back(all.shape()[i]);
        return all.dtype() == DType::I32 ? row_of<int32_t>(all, k, dims)
                                         : row_of<float>(all, k, dims);
    }

    ChannelLayout layout() const { return channel_layout(row("x", 0).shape(), axis_); }
    CodeRange range(int64_t k) const {
        const int32_t qmin = arrays_.at("qmin").data<int32_t>()[k];
        return {qmin, arrays_.at("qmax").data<int32_t>()[k], qmin < 0};
    }
    float grad_factor(int64_t k) const { return arrays_.at("grad_factor").data<float>()[k]; }

    // The real zero points, rounded to the grid.
    std::vector<int32_t> rounded_zero_points(int64_t k) const {
        std::vector<int32_t> z;
        for (const float real : row("learned_zero_point", k).to_vector<float>()) {
            z.push_back(round_zero_point(real, range(k).qmin, range(k).qmax));
        }
        return z;
    }

    // PyTorch's gradient of the operator with one scale truncates z + 1/2, while its forward pass
    // rounds z: one more for every z < 0.
    bool gradient_uses_another_zero_point(int64_t k) const {
        return axis_ < 0 && arrays_.at("learned_zero_point").data<float>()[k] < -0.5f;
    }

  private:
    static int axis_of(const std::string& folder) {
        if (folder == "tensor") return -1;
        return folder == "ties" ? 0 : folder.back() - '0';
    }

    template <class T>
    static Tensor row_of(const Tensor& all, int64_t k, const std::vector<int64_t>& dims) {
        const int64_t n = all.numel() / all.shape()[0];
        const T* begin = all.data<T>() + k * n;
        return Tensor::from(std::vector<T>(begin, begin + n), Shape(dims));
    }

    std::string folder_;
    int axis_;
    std::map<std::string, Tensor> arrays_;
};

}  // namespace gradus
