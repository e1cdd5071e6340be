// attributes -- the named constants of a node, printable and comparable.
#pragma once

#include <cstdint>
#include <map>
#include <ostream>
#include <string>
#include <variant>
#include <vector>

namespace gradus {

using AttributeValue = std::variant<int64_t, double, std::string, std::vector<int64_t>>;

class Attributes {
  public:
    Attributes() = default;
    Attributes(std::initializer_list<std::pair<const std::string, AttributeValue>> values)
        : values_(values) {}

    void set(const std::string& name, AttributeValue value) { values_[name] = std::move(value); }
    bool has(const std::string& name) const { return values_.count(name) > 0; }
    // Typed access; a missing name or another type is an error that names both.
    int64_t integer(const std::string& name) const;
    double real(const std::string& name) const;
    const std::string& text(const std::string& name) const;
    const std::vector<int64_t>& integers(const std::string& name) const;

    const std::map<std::string, AttributeValue>& values() const { return values_; }

  private:
    std::map<std::string, AttributeValue> values_;
};

std::ostream& operator<<(std::ostream& out, const Attributes& attributes);

}  // namespace gradus
