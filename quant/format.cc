#include "quant/format.h"

namespace gradus {

std::string describe(const QuantFormat& format) {
    return join(
        format.is_signed ? 's' : 'u', format.bits, format.symmetric ? " symmetric" : " asymmetric",
        format.per_channel() ? " per channel" : " per tensor",
        format.power_of_two ? " power of two" : "", " [", format.qmin(), ", ", format.qmax(), "]");
}

}  // namespace gradus
