// The files in recipes/: each parses, names existing things, and matches its source.
#include <boost/test/unit_test.hpp>
#include <filesystem>

#include "data/open_dataset.h"
#include "run/train/assemble.h"
#include "run/train/options.h"

using namespace gradus;

namespace {

Options recipe(const std::string& path, std::vector<const char*> more = {}) {
    std::vector<const char*> arguments{"./train", "--config", path.c_str()};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return parse_train(static_cast<int>(arguments.size()), arguments.data());
}

std::vector<std::string> recipes() {
    std::vector<std::string> paths;
    for (const auto& entry : std::filesystem::recursive_directory_iterator("recipes")) {
        if (entry.path().extension() == ".toml") paths.push_back(entry.path());
    }
    return paths;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(recipes_of_the_project, *boost::unit_test::label("unit"))

BOOST_AUTO_TEST_CASE(every_recipe_names_what_there_is) {
    BOOST_TEST(recipes().size() == 7);
    for (const std::string& path : recipes()) {
        BOOST_TEST_CONTEXT(path) {
            const Options o = recipe(path);
            BOOST_CHECK_NO_THROW(check_names(o));
            BOOST_TEST(o.bits == 4);
            BOOST_TEST(o.dataset != "auto");
        }
    }
}

// MQBench, table 3: rate, L2, total batch; batch norm of the mobile networks without L2.
BOOST_AUTO_TEST_CASE(the_benchmark_is_set_up_as_in_its_table) {
    struct Row {
        const char* model;
        double lr, weight_decay;
        int batch_size;
        double norm_weight_decay;
    };
    for (const Row& row :
         {Row{"resnet18", 0.004, 1e-4, 512, -1}, Row{"resnet50", 0.004, 1e-4, 256, -1},
          Row{"mobilenet_v2", 0.01, 1e-5, 512, 0}, Row{"efficientnet_lite0", 0.01, 1e-5, 512, 0},
          Row{"regnetx_600mf", 0.004, 4e-5, 512, -1}}) {
        const Options o = recipe(std::string("recipes/mqbench/") + row.model + ".toml");
        BOOST_TEST(o.model == row.model);
        BOOST_TEST(o.lr == row.lr);
        BOOST_TEST(o.weight_decay == row.weight_decay);
        BOOST_TEST(o.batch_size == row.batch_size);
        BOOST_TEST(o.norm_weight_decay == row.norm_weight_decay);
        BOOST_TEST(o.epochs == 100);
        BOOST_TEST(o.warmup_epochs == 1);
        BOOST_TEST(o.label_smoothing == 0.1);
    }
}

BOOST_AUTO_TEST_CASE(flags_override_a_recipe) {
    const Options o = recipe("recipes/mqbench/resnet18.toml", {"--algo", "pact", "--lr", "0.1"});
    BOOST_TEST(o.algo == "pact");
    BOOST_TEST(o.activation_algo == "pact");
    BOOST_TEST(o.lr == 0.1);
    BOOST_TEST(o.weight_decay == 1e-4);
}

BOOST_AUTO_TEST_SUITE_END()
