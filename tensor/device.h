// device -- the device that holds a tensor.
#pragma once

#include <ostream>

namespace gradus {

struct Device {
    enum class Type : unsigned char { cpu, cuda };
    static constexpr int type_count = 2;

    Type type = Type::cpu;
    int index = 0;

    static constexpr Device cpu() { return {Type::cpu, 0}; }
    static constexpr Device cuda(int index = 0) { return {Type::cuda, index}; }
    bool operator==(const Device& other) const {
        return type == other.type && index == other.index;
    }
    bool operator!=(const Device& other) const { return !(*this == other); }
};

inline std::ostream& operator<<(std::ostream& out, Device device) {
    if (device.type == Device::Type::cpu) return out << "cpu";
    return out << "cuda:" << device.index;
}

}  // namespace gradus
