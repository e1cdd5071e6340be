// checkpoint -- the state of a run and its final networks.
#include "run/train/checkpoint.h"

#include <boost/test/unit_test.hpp>
#include <filesystem>

#include "autograd/ops.h"
#include "io/safetensors.h"
#include "run/train/load_network.h"
#include "tests/compare.h"
#include "tests/files.h"
#include "tests/small_network.h"

using namespace gradus;

namespace {

namespace fs = std::filesystem;

// Everything in a checkpoint, for a quantized network after a few steps.
struct State {
    QuantizedModel model;
    ParameterList parameters;
    Optimizer optimizer{OptimizerOptions{}};
    RunPosition position;

    explicit State(const std::string& hardware = "onnxruntime")
        : model(small_quantized(hardware, Simulate::exact)),
          parameters(model.training.parameters()) {
        step();
        position = {"quantized", 3,   7,     1234, 567, 0.1 + 0.2,
                    89,          100, 91.23, -1,   4.5, {{{"block1.conv1.weight", 0.1f}}, 2.25}};
    }

    void step() {
        Tensor labels = Tensor::zeros({8}, DType::I64);
        const Execution run = execute(model.training, small_images(8, 55), RunMode{true, true});
        backward(softmax_cross_entropy(run.output, labels, 0.0f));
        optimizer.step(run, 0.01f);
    }

    void save(CheckpointStore& store) {
        store.save(position, parameters, optimizer, model.quantizers);
    }

    std::vector<Tensor> tensors() const {
        std::vector<Tensor> all;
        for (const auto& parameter : parameters) all.push_back(parameter->value.clone());
        for (const auto& [name, tensor] : optimizer.export_state()) all.push_back(tensor.clone());
        return all;
    }
};

bool same(const std::vector<Tensor>& a, const std::vector<Tensor>& b) {
    bool equal = a.size() == b.size();
    for (size_t i = 0; equal && i < a.size(); ++i) equal = same_bits(a[i], b[i]);
    return equal;
}

// A new state into which `store` is loaded, with the warnings.
struct Loaded {
    State state;
    std::vector<std::string> warnings;
    bool found;

    explicit Loaded(const CheckpointStore& store, const std::string& hardware = "onnxruntime")
        : state(hardware) {
        for (const auto& parameter : state.parameters) {  // no value is right by chance
            if (parameter->value.dtype() == DType::F32) {
                parameter->value.copy_from(Tensor::full(parameter->value.shape(), 7.0f));
            }
        }
        for (const auto& q : state.model.quantizers) q->format.is_signed = !q->format.is_signed;
        state.position = RunPosition();
        found =
            store.load(state.position, state.parameters, state.optimizer, state.model.quantizers,
                       [&](const std::string& text) { warnings.push_back(text); });
    }
};

void spoil(const std::string& path) {
    std::string bytes = read_bytes(path);
    bytes[bytes.size() / 2] ^= 4;
    std::ofstream(path, std::ios::binary) << bytes;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(checkpoint, *boost::unit_test::label("network"))

BOOST_AUTO_TEST_CASE(a_run_comes_back_bit_for_bit) {
    for (const char* hardware : {"onnxruntime", "academic"}) {
        const TemporaryFolder folder;
        CheckpointStore store(folder.path(""));
        State state(hardware);
        state.save(store);
        const Loaded loaded(store, hardware);
        BOOST_TEST(loaded.found);
        BOOST_TEST(loaded.warnings.empty());
        BOOST_TEST(same(loaded.state.tensors(), state.tensors()));
        const RunPosition &a = loaded.state.position, &b = state.position;
        BOOST_TEST(a.phase == b.phase);
        BOOST_TEST(
            (std::vector<int64_t>{a.epoch, a.batch, a.step, a.phase_step, a.correct, a.seen}) ==
                (std::vector<int64_t>{3, 7, 1234, 567, 89, 100}),
            boost::test_tools::per_element());
        BOOST_TEST(a.loss_sum == b.loss_sum);  // including the last bit
        BOOST_TEST(a.float_top1 == b.float_top1);
        BOOST_TEST(a.seconds == b.seconds);
        for (size_t i = 0; i < state.model.quantizers.size(); ++i) {
            BOOST_TEST(loaded.state.model.quantizers[i]->format.is_signed ==
                       state.model.quantizers[i]->format.is_signed);
        }
    }
}

BOOST_AUTO_TEST_CASE(nothing_there_is_no_error) {
    const TemporaryFolder folder;
    BOOST_TEST(!Loaded(CheckpointStore(folder.path(""))).found);
}

BOOST_AUTO_TEST_CASE(the_one_before_is_kept_and_serves_when_the_last_is_damaged) {
    const TemporaryFolder folder;
    CheckpointStore store(folder.path(""));
    State state;
    state.save(store);
    const auto before = state.tensors();
    state.step();
    state.position.step = 1235;
    state.save(store);
    BOOST_TEST(!same(before, state.tensors()));
    BOOST_TEST(
        folder.names() == (std::vector<std::string>{"last.safetensors", "previous.safetensors"}),
        boost::test_tools::per_element());
    BOOST_TEST(same(Loaded(store).state.tensors(), state.tensors()));

    spoil(store.last());
    const Loaded loaded(store);
    BOOST_TEST(loaded.found);
    BOOST_TEST(same(loaded.state.tensors(), before));
    BOOST_TEST(loaded.state.position.step == 1234);
    BOOST_REQUIRE(loaded.warnings.size() == 1);
    for (const std::string& part : {store.last(), store.previous()}) {
        BOOST_TEST(loaded.warnings[0].find(part) != std::string::npos, loaded.warnings[0]);
    }
    BOOST_TEST(loaded.warnings[0].find('\n') == std::string::npos);

    spoil(store.previous());
    BOOST_TEST(throws(ErrorKind::data, {store.previous()}, [&] { Loaded both(store); }));
}

BOOST_AUTO_TEST_CASE(every_damage_falls_back) {
    const TemporaryFolder folder;
    CheckpointStore store(folder.path(""));
    State state;
    state.save(store);
    state.save(store);
    const std::string bytes = read_bytes(store.last());
    const auto falls_back = [&](const std::string& content) {
        std::ofstream(store.last(), std::ios::binary) << content;
        const Loaded loaded(store);
        return loaded.warnings.size() == 1 && same(loaded.state.tensors(), state.tensors());
    };
    BOOST_TEST(falls_back(""));
    BOOST_TEST(falls_back(bytes.substr(0, 100)));
    BOOST_TEST(falls_back(bytes.substr(0, bytes.size() - 1)));
    BOOST_TEST(falls_back(std::string(bytes.size(), '\0')));
    // An intact file that is not a checkpoint, and one with invalid entries.
    const SafetensorsFile file = load_safetensors(store.previous());
    save_safetensors(folder.path("other"), file.tensors);
    BOOST_TEST(falls_back(read_bytes(folder.path("other"))));
    for (const char* key : {"position", "signs"}) {
        auto metadata = file.metadata;
        metadata.at(key) = "{}";
        save_safetensors(folder.path("other"), file.tensors, metadata);
        BOOST_TEST(falls_back(read_bytes(folder.path("other"))), key);
    }
}

BOOST_AUTO_TEST_CASE(an_interrupted_save_harms_nothing) {
    const TemporaryFolder folder;
    CheckpointStore store(folder.path(""));
    State state;
    state.save(store);
    const std::string whole = read_bytes(store.last());
    // Killed while writing: temporary files of another process and of this one.
    folder.file("next.safetensors", whole.substr(0, 1000));
    folder.file("next.safetensors.tmp.4711", whole.substr(0, 500));
    BOOST_TEST(same(Loaded(store).state.tensors(), state.tensors()));
    // Killed between the two renames: only the previous one exists, intact.
    fs::rename(store.last(), store.previous());
    BOOST_TEST(same(Loaded(store).state.tensors(), state.tensors()));
    state.save(store);
    BOOST_TEST(same(Loaded(store).state.tensors(), state.tensors()));
    BOOST_TEST(Loaded(store).warnings.empty());
}

BOOST_AUTO_TEST_CASE(another_model_is_a_usage_error_that_names_the_tensor) {
    const TemporaryFolder folder;
    CheckpointStore store(folder.path(""));
    State state;
    state.save(store);
    const auto load = [&](const Graph& network) {
        RunPosition position;
        Optimizer optimizer{OptimizerOptions{}};
        store.load(position, network.parameters(), optimizer, {}, [](const std::string&) {});
    };
    GraphBuilder other({12, 12, 1}, Rng(1));
    const Graph named =
        other.finish(other.conv2d("stem", other.input(), 1, 8, 3, square_conv(1, 1)));
    BOOST_TEST(throws(ErrorKind::usage, {store.last(), "stem.weight", "another model"},
                      [&] { load(named); }));
    GraphBuilder wider({12, 12, 1}, Rng(1));
    const Graph shaped =
        wider.finish(wider.conv2d("conv1", wider.input(), 1, 16, 3, square_conv(1, 1)));
    BOOST_TEST(throws(ErrorKind::usage, {"conv1.weight", "[8, 1, 3, 3]", "[16, 1, 3, 3]"},
                      [&] { load(shaped); }));
}

BOOST_AUTO_TEST_CASE(networks_travel_as_pytorch_lays_them) {
    const TemporaryFolder folder;
    const Graph network = small_network();
    save_network(folder.path("n"), network.parameters(), {{"model", "small"}});
    const SafetensorsFile file = load_safetensors(folder.path("n"));
    BOOST_TEST(file.metadata.at("model") == "small");
    BOOST_TEST(file.tensors.size() == network.parameters().size());
    const Tensor& oihw = file.tensors.at("block2.conv1.weight");
    BOOST_TEST(oihw.shape() == Shape({16, 8, 3, 3}));
    const Tensor ohwi = network.node(network.find("block2.conv1.weight")).parameter->value;
    // [o 5, i 6, kh 1, kw 2]
    BOOST_TEST(oihw.data<float>()[((5 * 8 + 6) * 3 + 1) * 3 + 2] ==
               ohwi.data<float>()[((5 * 3 + 1) * 3 + 2) * 8 + 6]);
    BOOST_TEST(file.tensors.at("fc.weight").shape() == Shape({5, 16}));

    const Graph fresh = small_network(2);
    load_network(folder.path("n"), fresh.parameters());
    for (size_t i = 0; i < fresh.parameters().size(); ++i) {
        BOOST_TEST(same_bits(fresh.parameters()[i]->value, network.parameters()[i]->value));
    }
}

BOOST_AUTO_TEST_CASE(weights_that_cannot_be_read_are_data_errors) {
    const TemporaryFolder folder;
    const Graph network = small_network();
    save_network(folder.path("n"), network.parameters(), {});
    const std::string bytes = read_bytes(folder.path("n"));
    for (const std::string& path :
         {folder.path("missing"), folder.file("cut", bytes.substr(0, bytes.size() - 7)),
          folder.file("text", "not a network")}) {
        BOOST_TEST(
            throws(ErrorKind::data, {path}, [&] { load_network(path, network.parameters()); }));
    }
}

BOOST_AUTO_TEST_SUITE_END()
