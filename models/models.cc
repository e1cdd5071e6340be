#include "models/models.h"

#include <algorithm>

#include "models/resnet.h"
#include "tensor/find_row.h"

namespace gradus {

const std::vector<Model>& models() {
    static const std::vector<Model> rows{
        {"resnet18", "ResNet-18 (He et al., CVPR 2016; torchvision's architecture and names)",
         resnet18},
    };
    return rows;
}

const Model& find_model(const std::string& name) {
    return find_row(models(), "model", name);
}

std::string resolve_stem(const std::string& stem, const Shape& sample_shape) {
    if (stem != "auto") return stem;
    return std::max(sample_shape[0], sample_shape[1]) <= 40 ? "half" : "imagenet";
}

}  // namespace gradus
