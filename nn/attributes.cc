#include "nn/attributes.h"

#include "tensor/check.h"

namespace gradus {

namespace {

template <class T>
const T& get(const std::map<std::string, AttributeValue>& values, const std::string& name) {
    const auto found = values.find(name);
    check(found != values.end(), "attribute missing: ", name);
    const T* value = std::get_if<T>(&found->second);
    check(value != nullptr, "attribute of another type: ", name);
    return *value;
}

struct Printer {
    std::ostream& out;
    void operator()(int64_t value) const { out << value; }
    void operator()(double value) const { out << value; }
    void operator()(const std::string& value) const { out << value; }
    void operator()(const std::vector<int64_t>& values) const {
        for (size_t i = 0; i < values.size(); ++i) out << (i ? "," : "") << values[i];
    }
};

}  // namespace

int64_t Attributes::integer(const std::string& name) const {
    return get<int64_t>(values_, name);
}
double Attributes::real(const std::string& name) const {
    return get<double>(values_, name);
}
const std::string& Attributes::text(const std::string& name) const {
    return get<std::string>(values_, name);
}
const std::vector<int64_t>& Attributes::integers(const std::string& name) const {
    return get<std::vector<int64_t>>(values_, name);
}

std::ostream& operator<<(std::ostream& out, const Attributes& attributes) {
    const char* separator = "";
    for (const auto& [name, value] : attributes.values()) {
        out << separator << name << '=';
        std::visit(Printer{out}, value);
        separator = " ";
    }
    return out;
}

}  // namespace gradus
