#include "run/answers.h"

#include <iostream>

#include "io/atomic_file.h"
#include "models/models.h"
#include "run/assemble.h"
#include "run/console_table.h"
#include "run/network_summary.h"
#include "run/post_training.h"
#include "run/show_graph.h"

namespace gradus {

bool answered(const Options& o) {
    if (o.list_models) {
        for (const Model& m : models()) std::cout << m.name << "  " << m.description << '\n';
    }
    if (o.list_algos) {
        std::cout << "none  the float network only\n";
        for (const Algorithm& a : algorithms()) {
            std::cout << a.name << "  " << a.citation;
            if (a.not_deployable) std::cout << "; --simulate qdq only: " << a.not_deployable;
            std::cout << '\n';
        }
    }
    if (o.list_hardware) {
        for (const Hardware& h : hardware_table()) {
            std::cout << h.name << "  " << h.description << "; weights " << describe(h.weight)
                      << ", activations " << describe(h.activation) << ", block graph "
                      << h.block_graph << ", batch-norm folding " << h.bn_fold
                      << (h.exact ? "; exact: " : "; nominal: ") << h.evidence << '\n';
        }
    }
    return o.list_models || o.list_algos || o.list_hardware;
}

namespace {

// The graph that is trained, with every quantizer; the float graph with --algo none.
void show(const Options& o, const Graph& graph) {
    if (o.show_graph) print_graph(std::cout, graph);
    if (o.dot.empty()) return;
    write_file_atomically(o.dot, graph_dot(graph, o.model + " " + o.hardware));
    std::cerr << "wrote " << o.dot << "; dot -Tsvg " << o.dot << " draws it\n";
}

void print_dry_run(const Options& o, const std::string& announcement) {
    for (const std::string& line : header_lines(o)) std::cout << line << '\n';
    std::cout << announcement << '\n';
}

}  // namespace

bool previewed(const Options& o) {
    const bool shows = o.show_graph || !o.dot.empty();
    if (!o.summary && !o.dry_run && !shows) return false;
    const DataSplits data = open_data(o);
    const Graph network = build_network(o, *data.train);
    if (o.summary) print_summary(std::cout, network, stream_is_utf8(1));
    if (o.dry_run) print_dry_run(o, data.announcement);
    if (o.algo == "none") {
        if (shows) show(o, network);
        return true;
    }
    const QuantizedModel model = quantize(network, recipe_of(o));
    if (shows) show(o, model.training);
    if (o.dry_run) {
        refuse_post_training(o, model);
        std::cout << model.inference;
    }
    return true;
}

}  // namespace gradus
