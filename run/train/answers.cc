#include "run/train/answers.h"

#include <iostream>

#include "io/atomic_file.h"
#include "models/models.h"
#include "run/console_table.h"
#include "run/output_path.h"
#include "run/printable.h"
#include "run/shell_word.h"
#include "run/train/assemble.h"
#include "run/train/checkpoint.h"
#include "run/train/idle_flags.h"
#include "run/train/load_network.h"
#include "run/train/network_summary.h"
#include "run/train/post_training.h"
#include "run/train/run_folder.h"
#include "run/train/show_graph.h"

namespace gradus {

namespace {

// Three tables with one line for each row, narrow enough to read.
void print_hardware() {
    using Words = std::vector<std::string>;
    const auto print = [](const Words& header, const auto& cells) {
        ConsoleTable table(header, ConsoleTable::Columns::words);
        for (const Hardware& h : hardware_table()) table.row(cells(h));
        table.print(std::cout, stream_is_utf8(1));
    };
    print({"hardware", "weights", "activations", "block graph", "folding"}, [](const Hardware& h) {
        return Words{h.name, describe(h.weight), describe(h.activation),
                     std::to_string(h.block_graph), std::to_string(h.bn_fold)};
    });
    std::cout << "(--bits sets the width; batch norm is folded as --bn-fold numbers it)\n\n";
    print({"hardware", "requantization, addition, average (global and windows), bias"},
          [](const Hardware& h) {
              return Words{h.name, rules_text(h)};
          });
    std::cout << "(./explain requantize, add and average show the rules on numbers)\n\n";
    print({"hardware", "evidence; exact: the formula was read in open source"},
          [](const Hardware& h) {
              return Words{h.name, join(h.exact ? "exact: " : "nominal: ", h.evidence)};
          });
    std::cout << '\n';
    print({"hardware", "what it is"}, [](const Hardware& h) {
        return Words{h.name, h.description};
    });
}

}  // namespace

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
    if (o.list_datasets) {
        for (const DatasetRow& d : datasets()) std::cout << d.name << "  " << d.description << '\n';
    }
    if (o.list_hardware) print_hardware();
    return o.list_models || o.list_algos || o.list_datasets || o.list_hardware;
}

namespace {

// Prints the trained graph with every quantizer; the float graph with --algo none.
void show(const Options& o, const Graph& graph, std::ostream& out) {
    if (o.show_graph) print_graph(out, graph);
    if (o.dot.empty()) return;
    make_parent_folders(o.dot);
    write_file_atomically(o.dot, graph_dot(graph, o.model + " " + o.hardware));
    std::cerr << "wrote " << printable(o.dot) << "; dot -Tsvg " << shell_word(o.dot)
              << " draws it\n";
}

// The line about --weights; empty without it.
std::string read_weights(const Options& o, const Graph& network) {
    if (o.weights.empty()) return "";
    return o.weights + ": " + load_network(o.weights, network.parameters()).text();
}

void print_dry_run(const Options& o, const DataSplits& data, const std::string& weights,
                   std::ostream& out) {
    for (const std::string& line : header_lines(o)) out << printable(line) << '\n';
    out << printable(data.announcement) << '\n';
    if (!weights.empty()) out << printable(weights) << '\n';
    for (const std::string& line : idle_flags(o, data.train->facts())) {
        std::cerr << "warning: " << printable(line) << '\n';
    }
}

}  // namespace

bool previewed(const Options& o) {
    const bool shows = o.show_graph || !o.dot.empty();
    if (!o.summary && !o.dry_run && !shows) return false;
    std::ostream& out = o.json ? std::cerr : std::cout;  // stdout is for results
    const auto described = o.dry_run ? std::nullopt : described_model(o);
    const DataSplits data = described ? DataSplits() : open_data(o);
    const Graph network = described ? build_network(o, *described) : build_network(o, *data.train);
    if (o.dry_run) check_run_folder(o);
    const std::string weights = o.dry_run ? read_weights(o, network) : "";
    if (o.summary) print_summary(out, network, stream_is_utf8(o.json ? 2 : 1));
    if (o.dry_run) print_dry_run(o, data, weights, out);
    if (o.algo == "none") {
        if (shows) show(o, network, out);
        return true;
    }
    const QuantizedModel model = quantize(network, recipe_of(o));
    if (shows) show(o, model.training, out);
    if (o.dry_run) {
        refuse_post_training(o, model);
        out << model.inference;
    }
    return true;
}

}  // namespace gradus
