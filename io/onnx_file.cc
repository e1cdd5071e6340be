#include "io/onnx_file.h"

#include <onnx/checker.h>
#include <onnx/defs/schema.h>

#include <fstream>

#include "io/atomic_file.h"
#include "tensor/affine.h"

namespace gradus {

namespace {

constexpr int kInt4 = 22, kUint4 = 21;  // TensorProto.DataType since IR 10

int element_type(DType dtype) {
    switch (dtype) {
        case DType::F32:
            return onnx::TensorProto::FLOAT;
        case DType::I8:
            return onnx::TensorProto::INT8;
        case DType::U8:
            return onnx::TensorProto::UINT8;
        case DType::I32:
            return onnx::TensorProto::INT32;
        default:
            fail(ErrorKind::runtime, "onnx: no tensor of ", dtype, " is written");
    }
}

void set_value(onnx::AttributeProto& to, int64_t value) {
    to.set_type(onnx::AttributeProto::INT);
    to.set_i(value);
}
void set_value(onnx::AttributeProto& to, double value) {
    to.set_type(onnx::AttributeProto::FLOAT);
    to.set_f(static_cast<float>(value));
}
void set_value(onnx::AttributeProto& to, const std::string& value) {
    to.set_type(onnx::AttributeProto::STRING);
    to.set_s(value);
}
void set_value(onnx::AttributeProto& to, const std::vector<int64_t>& values) {
    to.set_type(onnx::AttributeProto::INTS);
    to.mutable_ints()->Add(values.begin(), values.end());
}

void set_value_info(onnx::ValueInfoProto& to, const std::string& name,
                    const std::vector<int64_t>& extents) {
    to.set_name(name);
    auto& type = *to.mutable_type()->mutable_tensor_type();
    type.set_elem_type(onnx::TensorProto::FLOAT);
    for (size_t axis = 0; axis < extents.size(); ++axis) {
        auto& dim = *type.mutable_shape()->add_dim();
        if (extents[axis] >= 0) dim.set_dim_value(extents[axis]);
        if (extents[axis] < 0) dim.set_dim_param(axis == 0 ? "N" : join("extent", axis));
    }
}

void import_opset(onnx::ModelProto& model, const std::string& domain, int64_t version) {
    auto& opset = *model.add_opset_import();
    opset.set_domain(domain);
    opset.set_version(version);
}

// Checks by libonnx, which accepts what it does not know.
bool checked_by_libonnx(const std::string& path, const onnx::ModelProto& model) {
    const auto& known = onnx::OpSchemaRegistry::DomainToVersionRange::Instance().Map();
    if (model.opset_import(0).version() > known.at("").second) return false;
    try {
        onnx::checker::check_model(model);
    } catch (const std::exception& reason) {
        const std::string text = reason.what();
        fail(ErrorKind::runtime, path,
             ": onnx's checker refuses what was written: ", text.substr(0, text.find('\n')));
    }
    return true;
}

}  // namespace

OnnxFile::OnnxFile(const std::string& graph_name) {
    model_.set_producer_name("gradus");
    model_.mutable_graph()->set_name(graph_name);
}

void OnnxFile::set_input(const std::string& name, const std::vector<int64_t>& extents) {
    set_value_info(*model_.mutable_graph()->add_input(), name, extents);
}

void OnnxFile::set_output(const std::string& name, const std::vector<int64_t>& extents) {
    set_value_info(*model_.mutable_graph()->add_output(), name, extents);
}

std::string OnnxFile::add(const std::string& op, const std::string& output,
                          const std::vector<std::string>& inputs, const Attributes& attributes,
                          const std::string& domain) {
    onnx::NodeProto& node = *model_.mutable_graph()->add_node();
    node.set_op_type(op);
    node.set_name(output + "/" + op);
    if (!domain.empty()) node.set_domain(domain), domains_.insert(domain);
    for (const std::string& input : inputs) node.add_input(input);
    node.add_output(output);
    for (const auto& [name, value] : attributes.values()) {
        onnx::AttributeProto& attribute = *node.add_attribute();
        attribute.set_name(name);
        std::visit([&](const auto& v) { set_value(attribute, v); }, value);
    }
    return output;
}

onnx::TensorProto* OnnxFile::new_initializer(const std::string& name, const Shape& shape) {
    if (!constants_.insert(name).second) return nullptr;
    onnx::TensorProto* tensor = model_.mutable_graph()->add_initializer();
    tensor->set_name(name);
    for (int64_t extent : shape.extents()) tensor->add_dims(extent);
    return tensor;
}

std::string OnnxFile::constant(const std::string& name, const Tensor& value) {
    if (onnx::TensorProto* tensor = new_initializer(name, value.shape())) {
        tensor->set_data_type(element_type(value.dtype()));
        tensor->set_raw_data(value.raw(), value.bytes());
    }
    return name;
}

std::string OnnxFile::scalar(const std::string& name, float value) {
    return constant(name, Tensor::full({}, value));
}

std::string OnnxFile::int4_constant(const std::string& name, const Tensor& codes) {
    onnx::TensorProto* tensor = new_initializer(name, codes.shape());
    if (!tensor) return name;
    has_int4_ = true;
    tensor->set_data_type(codes.dtype() == DType::I8 ? kInt4 : kUint4);
    std::string bytes((codes.numel() + 1) / 2, '\0');
    const CodeReader q(codes);
    for (int64_t i = 0; i < codes.numel(); ++i) {
        bytes[i / 2] = static_cast<char>(bytes[i / 2] | (q[i] & 15) << (i % 2 * 4));
    }
    tensor->set_raw_data(bytes);
    return name;
}

OnnxSummary OnnxFile::save(const std::string& path,
                           const std::map<std::string, std::string>& facts) {
    model_.set_ir_version(has_int4_ ? 10 : 7);
    import_opset(model_, "", has_int4_ ? 21 : 13);
    for (const std::string& domain : domains_) import_opset(model_, domain, 1);
    for (const auto& [key, value] : facts) {
        auto& entry = *model_.add_metadata_props();
        entry.set_key(key);
        entry.set_value(value);
    }
    const std::string bytes = model_.SerializeAsString();
    write_file_atomically(path, bytes);
    const onnx::ModelProto found = read_onnx(path);
    check(found.SerializeAsString() == bytes, path, ": what is read back is not what was written");
    check_structure(path, found.graph());
    OnnxSummary summary;
    summary.ir_version = found.ir_version();
    summary.opset = found.opset_import(0).version();
    summary.nodes = found.graph().node_size();
    summary.checked = checked_by_libonnx(path, found);
    return summary;
}

onnx::ModelProto read_onnx(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    check_kind(file.good(), ErrorKind::data, "cannot read ", path);
    onnx::ModelProto model;
    check_kind(model.ParseFromIstream(&file), ErrorKind::data, path, ": no ONNX model");
    return model;
}

void check_structure(const std::string& path, const onnx::GraphProto& graph) {
    std::set<std::string> known{""};
    const auto define = [&](const std::string& name) {
        check(known.insert(name).second, path, ": ", name, " is given twice");
    };
    const auto require = [&](const std::string& reader, const std::string& name) {
        check(known.count(name) > 0, path, ": ", reader, " reads ", name, ", which is not there");
    };
    for (const auto& input : graph.input()) define(input.name());
    for (const auto& tensor : graph.initializer()) define(tensor.name());
    for (const auto& node : graph.node()) {
        for (const std::string& input : node.input()) require(node.name(), input);
        for (const std::string& output : node.output()) define(output);
    }
    for (const auto& output : graph.output()) require("the output", output.name());
}

}  // namespace gradus
