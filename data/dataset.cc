#include "data/dataset.h"

#include <algorithm>

namespace gradus {

void Dataset::augmented(int64_t index, const Augmentation& augmentation, const Rng& rng,
                        uint8_t* pixels) const {
    std::vector<uint8_t> original(image_shape().numel());
    image(index, original.data());
    augment(augmentation, rng, image_shape(), original.data(), pixels);
}

std::string Dataset::identity(int64_t index) const {
    std::string pixels(image_shape().numel(), '\0');
    image(index, reinterpret_cast<uint8_t*>(pixels.data()));
    return pixels;
}

void Dataset::note_damage(int64_t index, const std::string& what) const {
    const std::lock_guard lock(damage_mutex_);
    damage_.emplace(index, Damage{what});
}

std::vector<std::string> Dataset::new_damage() const {
    const std::lock_guard lock(damage_mutex_);
    std::vector<std::string> fresh;
    for (auto& [index, damage] : damage_) {
        if (!std::exchange(damage.told, true)) fresh.push_back(damage.what);
    }
    return fresh;
}

std::string Dataset::first_damage() const {
    const std::lock_guard lock(damage_mutex_);
    return damage_.empty() ? "" : damage_.begin()->second.what;
}

int64_t Dataset::damaged_count() const {
    const std::lock_guard lock(damage_mutex_);
    return static_cast<int64_t>(damage_.size());
}

}  // namespace gradus
