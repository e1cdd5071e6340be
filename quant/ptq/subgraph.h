// subgraph -- extracts part of a graph as a separate graph, and evaluates nodes over many images.
#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "nn/graph.h"

namespace gradus {

// Adds a node to `out` and returns its id there; `inputs` are ids of `out`.
using CopyNode = std::function<int(Graph& out, const Node& node, const std::vector<int>& inputs)>;

// Copies the node unchanged: parameters and payloads stay shared.
int copy_node(Graph& out, const Node& node, const std::vector<int>& inputs);

// The nodes that `to` depends on, back to node `from`, which becomes the input with samples of this
// shape. Every path from the input to `to` must lead through `from`.
Graph subgraph(const Graph& graph, int from, int to, const Shape& sample_shape,
               const CopyNode& copy = copy_node);

// The same network with copied parameters: later changes to the original do not affect it.
Graph detached_copy(const Graph& graph);

// Runs `graph` in evaluation on images [N, ...], in batches, up to the last of the nodes `ids`,
// which must depend on the others. `take` gets the float views of their values, in the order of
// `ids`, and the index of the first image.
void stream_values(const Graph& graph, const std::vector<int>& ids, const Tensor& images,
                   const std::function<void(int64_t first, const std::vector<Tensor>&)>& take);

// The same, joined over all images.
std::vector<Tensor> values_at(const Graph& graph, const std::vector<int>& ids,
                              const Tensor& images);

// The values of nodes that do not depend on the input, by name.
std::map<std::string, Tensor> constants_of(const Graph& graph, const std::set<std::string>& names);

// Samples [begin, end) of a tensor [N, ...], copied.
Tensor samples(const Tensor& x, int64_t begin, int64_t end);

}  // namespace gradus
