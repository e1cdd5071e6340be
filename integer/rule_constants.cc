#include "integer/rule_constants.h"

namespace gradus {

namespace {

template <class T>
void store(Instruction& i, const char* name, T RequantizeConstants::*field,
           const std::vector<RequantizeConstants>& k) {
    const T unused = RequantizeConstants{}.*field;
    std::vector<T> values;
    bool used = false;
    for (const RequantizeConstants& constants : k) {
        values.push_back(constants.*field);
        used = used || constants.*field != unused;
    }
    if (used) i.constants[name] = Tensor::from(values, {static_cast<int64_t>(values.size())});
}

template <class T>
void load(const Instruction& i, const char* name, T RequantizeConstants::*field,
          std::vector<RequantizeConstants>& k) {
    const auto found = i.constants.find(name);
    if (found == i.constants.end()) return;
    check_kind(found->second.numel() == static_cast<int64_t>(k.size()), ErrorKind::data,
               "program: ", i.name, " has ", found->second.numel(), " of ", name, ", needs ",
               k.size());
    for (size_t c = 0; c < k.size(); ++c) k[c].*field = found->second.data<T>()[c];
}

}  // namespace

// Leaves out constants that no channel uses.
void store_constants(Instruction& i, RequantizeRule rule,
                     const std::vector<RequantizeConstants>& k) {
    i.attributes.set("rule", static_cast<int64_t>(rule));
    store(i, "multiplier", &RequantizeConstants::multiplier, k);
    store(i, "real_bias", &RequantizeConstants::bias, k);
    store(i, "bias_factor", &RequantizeConstants::bias_factor, k);
    store(i, "integer", &RequantizeConstants::integer, k);
    store(i, "shift", &RequantizeConstants::shift, k);
    store(i, "offset", &RequantizeConstants::offset, k);
}

std::vector<RequantizeConstants> load_constants(const Instruction& i, int64_t channels) {
    std::vector<RequantizeConstants> k(channels);
    load(i, "multiplier", &RequantizeConstants::multiplier, k);
    load(i, "real_bias", &RequantizeConstants::bias, k);
    load(i, "bias_factor", &RequantizeConstants::bias_factor, k);
    load(i, "integer", &RequantizeConstants::integer, k);
    load(i, "shift", &RequantizeConstants::shift, k);
    load(i, "offset", &RequantizeConstants::offset, k);
    return k;
}

namespace {

std::vector<const char*> constants_read(RequantizeRule rule) {
    switch (rule) {
        case RequantizeRule::r1c:
        case RequantizeRule::r9:
            return {"multiplier", "real_bias"};
        case RequantizeRule::r1f:
            return {"multiplier", "real_bias", "bias_factor"};
        case RequantizeRule::r2:
        case RequantizeRule::r3:
            return {"integer", "shift"};
        case RequantizeRule::r5:
            return {"shift"};
        case RequantizeRule::r8:
            return {"integer", "offset"};
        default:
            return {"multiplier"};
    }
}

Tensor unused_constant(const std::string& name, int64_t channels) {
    if (name == "bias_factor") return Tensor::full({channels}, 1.0f);
    const bool real = name == "multiplier" || name == "real_bias";
    return Tensor::zeros({channels}, real                ? DType::F32
                                     : name == "integer" ? DType::I64
                                                         : DType::I32);
}

}  // namespace

void add_unused_constants(Instruction& i) {
    const auto weight = i.constants.find("weight");
    const bool filters = !i.is_float && weight != i.constants.end();
    if (!filters && i.op != "requantize") return;
    const int64_t channels = filters ? weight->second.shape()[0] : 1;
    std::vector<const char*> names;
    if (i.attributes.has("rule")) names = constants_read(rule_of<RequantizeRule>(i));
    if (filters) names.insert(names.end(), {"bias", "weight_zero_point"});
    if (i.constants.count("scale")) names.push_back("real_bias");
    for (const char* name : names) {
        if (!i.constants.count(name)) i.constants[name] = unused_constant(name, channels);
    }
    if (!filters) return;
    Tensor& zero_point = i.constants["weight_zero_point"];
    if (zero_point.numel() == 1) {
        zero_point =
            Tensor::from(std::vector<int32_t>(channels, zero_point.data<int32_t>()[0]), {channels});
    }
}

void store_constants(Instruction& i, const AddConstants& k) {
    i.constants["ratios"] =
        Tensor::from<float>({k.a_ratio, k.b_ratio, k.y_ratio, k.a_offset, k.b_offset}, {5});
    i.constants["integers"] =
        Tensor::from<int32_t>({k.a.zero_point, k.b.zero_point, k.y.zero_point, k.a_q31.value,
                               k.a_q31.exponent, k.b_q31.value, k.b_q31.exponent, k.y_q31.value,
                               k.y_q31.exponent, k.a_integer, k.b_integer, k.shift, k.offset},
                              {13});
}

AddConstants load_add_constants(const Instruction& i) {
    const auto ratios = i.constants.find("ratios"), integers = i.constants.find("integers");
    check_kind(ratios != i.constants.end() && ratios->second.numel() == 5 &&
                   integers != i.constants.end() && integers->second.numel() == 13,
               ErrorKind::data, "program: ", i.name, " needs ratios [5] and integers [13]");
    const float* r = ratios->second.data<float>();
    const int32_t* n = integers->second.data<int32_t>();
    AddConstants k;
    k.a.zero_point = n[0];
    k.b.zero_point = n[1];
    k.y.zero_point = n[2];
    k.a_ratio = r[0];
    k.b_ratio = r[1];
    k.y_ratio = r[2];
    k.a_offset = r[3];
    k.b_offset = r[4];
    k.a_q31 = {n[3], n[4]};
    k.b_q31 = {n[5], n[6]};
    k.y_q31 = {n[7], n[8]};
    k.a_integer = n[9];
    k.b_integer = n[10];
    k.shift = n[11];
    k.offset = n[12];
    return k;
}

}  // namespace gradus
