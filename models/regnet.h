// regnet -- RegNetX, Radosavovic et al., 2003.13678, with torchvision's parameter names
// (trunk_output.block1.block1-0.f.a.0 ...), for RegNetX-600MF too, which torchvision's RegNet class
// builds but does not list.
//
// blocks  1x1, 3x3 in groups with the stride, 1x1, bottleneck ratio 1 (figure 4 and section 3.2);
//         the first of each stage halves the image and has a projection, which it keeps where a
//         stem leaves out its stride
// stems   3x3 with 32 filters; see models/reductions.h
// init    as torchvision: He et al.'s with fan out over all groups; the classifier's weights have
//         the standard deviation 0.01, biases 0
#pragma once

#include "models/models.h"

namespace gradus {

// Each row of the figure of top REGNETX models in appendix B: the widths and depths generated from
// its w_0, w_a, w_m and depth. Widths are rounded to whole groups: 392 in groups of 16 is a tie,
// which pycls and timm round to the even 384 and torchvision up to 400 (regnetx_400mf_tv).
struct RegNetX {
    std::vector<int64_t> widths, depths;  // of each stage
    int64_t group_width;
};

BuildModel regnet_x(const RegNetX& shape);

}  // namespace gradus
