#include "quant/ptq/subgraph.h"

#include <algorithm>
#include <cstring>

#include "nn/executor.h"
#include "tensor/check.h"

namespace gradus {

namespace {

constexpr int64_t images_at_once = 64;

// The nodes that `to` depends on, itself included; stops at `from`.
std::vector<bool> needed_nodes(const Graph& graph, int from, int to) {
    std::vector<bool> needed(to + 1, false);
    needed[to] = true;
    for (int id = to; id >= 0; --id) {
        if (!needed[id] || id == from) continue;
        for (int input : graph.node(id).inputs) {
            if (input >= 0) needed[input] = true;
        }
    }
    return needed;
}

Shape with_batch(int64_t n, const Shape& shape) {
    std::vector<int64_t> extents = shape.extents();
    extents.at(0) = n;
    return Shape(extents);
}

}  // namespace

int copy_node(Graph& out, const Node& node, const std::vector<int>& inputs) {
    if (node.kind == NodeKind::parameter) return out.add_parameter(node.parameter);
    if (node.kind == NodeKind::input) {
        return out.add_input(node.name, Shape(node.attributes.integers("shape")));
    }
    return out.add_op(node.op, node.name, inputs, node.attributes, node.payload);
}

Graph subgraph(const Graph& graph, int from, int to, const Shape& sample_shape,
               const CopyNode& copy) {
    const std::vector<bool> needed = needed_nodes(graph, from, to);
    check(needed.at(from), "subgraph: ", graph.node(to).name, " does not depend on ",
          graph.node(from).name);
    Graph out;
    std::vector<int> map(to + 1, -1);
    for (int id = 0; id <= to; ++id) {
        if (!needed[id]) continue;
        const Node& node = graph.node(id);
        if (id == from) {
            map[id] = out.add_input(node.name, sample_shape);
            continue;
        }
        check(node.kind != NodeKind::input, "subgraph: ", graph.node(to).name,
              " depends on the input past ", graph.node(from).name);
        std::vector<int> inputs;
        for (int input : node.inputs) inputs.push_back(input < 0 ? -1 : map[input]);
        map[id] = copy(out, node, inputs);
    }
    out.set_output(map[to]);
    return out;
}

Graph detached_copy(const Graph& graph) {
    return subgraph(graph, graph.input(), graph.output(), graph.sample_shape(),
                    [](Graph& out, const Node& node, const std::vector<int>& inputs) {
                        if (node.kind != NodeKind::parameter) return copy_node(out, node, inputs);
                        auto own = std::make_shared<Parameter>(*node.parameter);
                        own->value = own->value.clone();
                        return out.add_parameter(own);
                    });
}

Tensor samples(const Tensor& x, int64_t begin, int64_t end) {
    Tensor part = Tensor::empty(with_batch(end - begin, x.shape()), x.dtype());
    const size_t bytes = x.bytes() / static_cast<size_t>(x.shape()[0]);
    std::memcpy(part.raw(), static_cast<const char*>(x.raw()) + begin * bytes, part.bytes());
    return part;
}

void stream_values(const Graph& graph, const std::vector<int>& ids, const Tensor& images,
                   const std::function<void(int64_t, const std::vector<Tensor>&)>& take) {
    const int last = *std::max_element(ids.begin(), ids.end());
    const Graph prefix = subgraph(graph, graph.input(), last, graph.sample_shape());
    const int64_t count = images.shape()[0];
    for (int64_t begin = 0; begin < count; begin += images_at_once) {
        std::vector<Tensor> values(ids.size());
        const Tensor part = samples(images, begin, std::min(count, begin + images_at_once));
        execute(prefix, part, RunMode{}, [&](const Node& node, const Variable& value) {
            for (size_t i = 0; i < ids.size(); ++i) {
                if (node.name == graph.node(ids[i]).name) values[i] = value.data();
            }
        });
        for (const Tensor& value : values) check(value.defined(), "stream_values: a node is aside");
        take(begin, values);
    }
}

std::vector<Tensor> values_at(const Graph& graph, const std::vector<int>& ids,
                              const Tensor& images) {
    const int64_t count = images.shape()[0];
    std::vector<Tensor> all(ids.size());
    stream_values(graph, ids, images, [&](int64_t first, const std::vector<Tensor>& values) {
        for (size_t i = 0; i < ids.size(); ++i) {
            const Tensor& part = values[i];
            if (!all[i].defined()) all[i] = Tensor::empty(with_batch(count, part.shape()));
            const int64_t offset = first * (part.numel() / part.shape()[0]);
            std::memcpy(all[i].data<float>() + offset, part.raw(), part.bytes());
        }
    });
    return all;
}

std::map<std::string, Tensor> constants_of(const Graph& graph, const std::set<std::string>& names) {
    std::map<std::string, Tensor> found;
    execute_constants(graph, [&](const Node& node, const Variable& value) {
        if (names.count(node.name)) found[node.name] = value.data();
    });
    return found;
}

}  // namespace gradus
