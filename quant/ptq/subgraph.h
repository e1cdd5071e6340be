// subgraph -- a part of a graph as a graph of its own, and values at nodes over many images.
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

// The node as it is: parameters and payloads stay shared.
int copy_node(Graph& out, const Node& node, const std::vector<int>& inputs);

// The nodes that `to` needs, back to node `from`, which becomes the input with samples of this
// shape. Every path from the input to `to` must lead through `from`.
Graph subgraph(const Graph& graph, int from, int to, const Shape& sample_shape,
               const CopyNode& copy = copy_node);

// The same network with parameters of its own: what it computes stays as it is now.
Graph detached_copy(const Graph& graph);

// Runs `graph` in evaluation on images [N, ...], some at a time, up to the last of the nodes `ids`,
// which must need the others. `take` gets the float views of their values, in the order of `ids`,
// and the number of the first image.
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
