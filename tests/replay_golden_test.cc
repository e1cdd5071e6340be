// scripts/replay_golden.py, written from docs/ alone, replays bundles of every row: with other
// widths, windows, saturating sums, and damaged bundles.
#include <boost/test/unit_test.hpp>
#include <cstdlib>
#include <iostream>

#include "integer/lower.h"
#include "io/golden.h"
#include "tests/golden_bundle.h"
#include "tests/pooled_network.h"
#include "tests/small_network.h"

using namespace gradus;

namespace {

bool has_numpy() {
    const char* const pythons[] = {"python3", ".oracles/bin/python"};
    for (const std::string python : pythons) {
        if (std::system((python + " -c 'import numpy' 2>/dev/null").c_str()) == 0) return true;
    }
    std::cerr << "SKIPPED replay_golden: NumPy is not installed: scripts/setup.sh --oracles\n";
    return false;
}

void write(const std::string& folder, const Recipe& recipe, const Graph& network) {
    const QuantizedModel model = small_quantized(recipe, 2, network);
    save_golden(folder, model, lower(model), small_images(2), {});
}

Recipe recipe_on(const std::string& hardware, int bits) {
    Recipe recipe;
    recipe.hardware = hardware;
    recipe.weight_bits = recipe.activation_bits = bits;
    return recipe;
}

int replay(const std::string& bundles) {
    return std::system(("scripts/replay_golden.py " + bundles + " >/dev/null").c_str());
}

}  // namespace

BOOST_AUTO_TEST_SUITE(replay_golden, *boost::unit_test::label("oracle"))

BOOST_AUTO_TEST_CASE(bundles_of_every_row_replay_without_gradus) {
    if (!has_numpy()) return;
    const TemporaryFolder folder;
    for (const Hardware& row : hardware_table()) {
        for (const int bits : {8, 4}) {
            write(folder.path(join(row.name, bits)), recipe_on(row.name, bits), small_network());
        }
        if (row.window == PoolRule::none) continue;
        // QNNPACK always counts padding; the others need not.
        const bool counts_padding = row.name == std::string("qnnpack");
        write(folder.path(join(row.name, "-windows")), recipe_on(row.name, 8),
              pooled_network(pool_windows[counts_padding ? 1 : 2]));
    }
    write(folder.path("onnxruntime-padding"), recipe_on("onnxruntime", 8),
          pooled_network(pool_windows[1]));
    // Ratios above 32 in front of the last layer.
    write(folder.path("hexagon2"), recipe_on("hexagon-nn", 2), small_network());
    write(folder.path("hexagon5"), recipe_on("hexagon-nn", 5), small_network());
    const std::pair<const char*, AccumulatorPolicy> sums[] = {
        {"fbgemm", AccumulatorPolicy::pairs16},
        {"fbgemm", AccumulatorPolicy::acc16},
        {"onnxruntime", AccumulatorPolicy::pairs16}};
    for (const auto& [hardware, policy] : sums) {
        Recipe recipe = recipe_on(hardware, 8);
        recipe.accumulator = policy;
        write(folder.path(join(hardware, "-", accumulator_name(policy))), recipe, small_network());
    }
    BOOST_TEST(replay(folder.path("*")) == 0);
}

BOOST_AUTO_TEST_CASE(one_code_that_is_wrong_is_found) {
    if (!has_numpy()) return;
    for (const char* file :
         {"ties_output.npy", "output.npy", "accumulator.npy", "multiplier.npy"}) {
        const TemporaryFolder folder;
        write(folder.path("g"), recipe_on("onnxruntime", 4), small_network());
        const std::string path = folder.path("g/003_block1.conv1/") + file;
        std::string bytes = read_bytes(path);
        bytes.back() = static_cast<char>(bytes.back() ^ 1);
        write_bytes(path, bytes);
        BOOST_TEST(replay(folder.path("g") + " 2>/dev/null") != 0, file);
    }
}

BOOST_AUTO_TEST_SUITE_END()
