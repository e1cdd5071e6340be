// shape -- the extents of a dense array, outermost first.
//
// Activations are N H W C, weights O KH KW I.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <ostream>
#include <vector>

namespace gradus {

class Shape {
  public:
    Shape() = default;  // rank 0: a scalar
    Shape(std::initializer_list<int64_t> extents) : extents_(extents) {}
    explicit Shape(std::vector<int64_t> extents) : extents_(std::move(extents)) {}

    int rank() const { return static_cast<int>(extents_.size()); }
    int64_t operator[](int axis) const { return extents_.at(axis < 0 ? axis + rank() : axis); }
    const std::vector<int64_t>& extents() const { return extents_; }
    int64_t numel() const {
        int64_t n = 1;
        for (int64_t extent : extents_) n *= extent;
        return n;
    }
    bool operator==(const Shape& other) const { return extents_ == other.extents_; }
    bool operator!=(const Shape& other) const { return !(*this == other); }

  private:
    std::vector<int64_t> extents_;
};

inline std::ostream& operator<<(std::ostream& out, const Shape& shape) {
    out << '[';
    for (int axis = 0; axis < shape.rank(); ++axis) out << (axis ? ", " : "") << shape[axis];
    return out << ']';
}

}  // namespace gradus
