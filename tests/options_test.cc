// options -- applies defaults, files and the command line in this order; every mistake is one line,
// usage.
#include "run/train/options.h"

#include <boost/test/unit_test.hpp>
#include <cmath>
#include <nlohmann/json.hpp>

#include "quant/hardware.h"
#include "run/bench/options.h"
#include "run/explain/questions.h"
#include "run/suggest.h"
#include "tests/files.h"

using namespace gradus;

namespace {

Options train(std::vector<const char*> arguments) {
    arguments.insert(arguments.begin(), "./train");
    return parse_train(static_cast<int>(arguments.size()), arguments.data());
}

BenchOptions bench(std::vector<const char*> arguments) {
    arguments.insert(arguments.begin(), "./bench");
    return parse_bench(static_cast<int>(arguments.size()), arguments.data());
}

bool refused(const std::vector<const char*>& arguments, const std::vector<std::string>& parts) {
    return throws(ErrorKind::usage, parts, [&] { train(arguments); });
}

Options with_file(const TemporaryFolder& folder, const std::string& content,
                  std::vector<const char*> arguments = {}) {
    const std::string path = folder.file("recipe.toml", content);
    arguments.insert(arguments.begin(), {"--config", path.c_str()});
    return train(arguments);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(options, *boost::unit_test::label("unit"))

BOOST_AUTO_TEST_CASE(defaults_come_from_the_struct) {
    const Options defaults;
    const Options parsed = train({});
    BOOST_TEST(parsed.model == defaults.model);
    BOOST_TEST(parsed.epochs == defaults.epochs);
    BOOST_TEST(parsed.lr == defaults.lr);
    BOOST_TEST(parsed.nesterov == defaults.nesterov);
    BOOST_TEST(parsed.answer.empty());
}

BOOST_AUTO_TEST_CASE(values_names_and_aliases_are_read) {
    const Options o = train({"--model=resnet34",
                             "-b",
                             "32",
                             "--wd",
                             "0.25",
                             "--smoothing=0.1",
                             "--img-size",
                             "28",
                             "--data",
                             "/d",
                             "--initial-checkpoint",
                             "w",
                             "--seed",
                             "18446744073709551615",
                             "--no-nesterov",
                             "--max-steps",
                             "5000000000",
                             "--json",
                             "--backend",
                             "academic"});
    BOOST_TEST(o.model == "resnet34");
    BOOST_TEST(o.batch_size == 32);
    BOOST_TEST(o.weight_decay == 0.25);
    BOOST_TEST(o.label_smoothing == 0.1);
    BOOST_TEST(o.image_size == 28);
    BOOST_TEST(o.data_path == "/d");
    BOOST_TEST(o.weights == (std::filesystem::current_path() / "w").string());
    BOOST_TEST(o.seed == UINT64_MAX);
    BOOST_TEST(!o.nesterov);
    BOOST_TEST(o.max_steps == 5000000000);
    BOOST_TEST(o.json);
    BOOST_TEST(o.hardware == "academic");
}

BOOST_AUTO_TEST_CASE(the_last_of_a_repeated_flag_wins) {
    BOOST_TEST(train({"--lr", "0.1", "--lr", "0.2"}).lr == 0.2);
    BOOST_TEST(train({"--no-nesterov", "--nesterov"}).nesterov);
}

BOOST_AUTO_TEST_CASE(the_specific_width_wins) {
    const Options o = train({"--weight-bits", "2", "--bits", "5"});
    BOOST_TEST(o.weight_bits == 2);
    BOOST_TEST(o.activation_bits == 5);
    BOOST_TEST(train({}).weight_bits == Options().bits);
}

BOOST_AUTO_TEST_CASE(mistakes_are_one_line_with_the_remedy) {
    BOOST_TEST(refused({"--modle", "resnet18"}, {"unknown flag --modle", "--model?"}));
    BOOST_TEST(refused({"--epcohs=3"}, {"unknown flag --epcohs", "--epochs?"}));
    BOOST_TEST(refused({"--qqqqqqqq"}, {"unknown flag --qqqqqqqq", "--help"}));
    BOOST_TEST(refused({"resnet18"}, {"unexpected argument 'resnet18'"}));
    BOOST_TEST(refused({"--lr"}, {"--lr needs a value"}));
    BOOST_TEST(refused({"--model", "--lr", "1"}, {"--model needs a value", "--lr"}));
    BOOST_TEST(refused({"--lr", "fast"}, {"--lr takes a number above 0", "'fast'"}));
    BOOST_TEST(refused({"--nesterov=maybe"}, {"--nesterov takes true or false"}));
    BOOST_TEST(refused({"--simulate", "qat"}, {"--simulate", "'qat'", "exact, qdq"}));
    BOOST_TEST(refused({"--momentum", "0"}, {"--momentum above 0", "--no-nesterov"}));
}

BOOST_AUTO_TEST_CASE(ranges_hold_at_their_ends) {
    for (const char* bits : {"1", "9", "-4", "4.5", "4x", ""}) {
        const std::string argument = std::string("--bits=") + bits;
        const bool caught =
            throws(ErrorKind::usage, {"--bits"}, [&] { train({argument.c_str()}); });
        BOOST_TEST(caught, bits);
    }
    BOOST_TEST(train({"--bits", "2"}).bits == 2);
    BOOST_TEST(train({"--bits", "8"}).bits == 8);
    BOOST_TEST(refused({"--weight-bits", "1"}, {"from 2 to 8"}));
    for (const char* lr : {"0", "-0.1", "nan", "inf", "1e999"}) {
        BOOST_TEST(refused({"--lr", lr}, {"--lr takes a number above 0"}), lr);
    }
    BOOST_TEST(refused({"--epochs", "-1"}, {"--epochs", "from 0 to 1000000"}));
    BOOST_TEST(train({"--epochs", "0"}).epochs == 0);
    BOOST_TEST(refused({"--batch-size", "0"}, {"--batch-size", "from 1"}));
    BOOST_TEST(refused({"--momentum", "1"}, {"from 0 to below 1"}));
    for (const char* p : {"1", "-0.5", "-2", "nan"}) {
        BOOST_TEST(refused({"--dropout", p}, {"--dropout takes a number from"}), p);
    }
    BOOST_TEST(train({}).dropout == -1.0);
    BOOST_TEST(train({"--dropout", "0"}).dropout == 0.0);
    BOOST_TEST(refused({"--seed", "-1"}, {"--seed"}));
    BOOST_TEST(refused({"--max-steps", "99999999999999999999"}, {"--max-steps"}));
}

BOOST_AUTO_TEST_CASE(post_training_needs_quantizers) {
    for (const char* flag : {"--equalize", "--correct-bias", "--ptq=brecq"}) {
        BOOST_TEST(refused({"--algo", "none", flag}, {"--ptq", "--algo none"}), flag);
        train({flag});
    }
    BOOST_TEST(train({"--ptq", "qdrop", "--ptq-steps", "7"}).ptq_steps == 7);
    BOOST_TEST(refused({"--ptq", "gptq"}, {"--ptq", "adaround"}));
}

BOOST_AUTO_TEST_CASE(folding_is_a_number_or_a_name) {
    const Hardware& integers = find_hardware("onnxruntime");
    const Hardware& academic = find_hardware("academic");
    BOOST_TEST(resolve_bn_fold(train({}), integers) == 4);
    BOOST_TEST(resolve_bn_fold(train({}), academic) == -1);
    int number = -1;
    for (const char* name : {"none", "merge", "freeze", "naive", "whitepaper", "torch"}) {
        for (const std::string& text : {std::string(name), std::to_string(number)}) {
            const Options o = train({"--bn-fold", text.c_str()});
            BOOST_TEST(resolve_bn_fold(o, academic) == number, text);
            if (number >= 0) BOOST_TEST(resolve_bn_fold(o, integers) == number, text);
        }
        ++number;
    }
    BOOST_TEST(refused({"--bn-fold", "5"}, {"-1 to 4", "whitepaper", "'5'"}));
    const Options none = train({"--bn-fold", "none"});
    BOOST_TEST(throws(ErrorKind::usage, {"onnxruntime", "float step", "choose 0 to 4"},
                      [&] { resolve_bn_fold(none, integers); }));
}

BOOST_AUTO_TEST_CASE(freezing_counts_quantized_epochs) {
    BOOST_TEST(train({}).freeze_bn_epoch == -1);
    BOOST_TEST(train({"--freeze-bn-epoch", "0"}).freeze_bn_epoch == 0);
    BOOST_TEST(refused({"--freeze-bn-epoch", "-2"}, {"--freeze-bn-epoch", "-2"}));
    BOOST_TEST(refused({"--freeze-bn-epoch", "1", "--algo", "none"},
                       {"--freeze-bn-epoch", "--algo none"}));
}

BOOST_AUTO_TEST_CASE(help_and_version_are_answers) {
    const std::string first = train({"-h"}).answer;
    BOOST_TEST(std::count(first.begin(), first.end(), '\n') <= 24);
    std::istringstream lines(first);
    for (std::string line; std::getline(lines, line);) BOOST_TEST(line.size() <= 80);
    const std::string all = train({"--help-all"}).answer;
    Options options;
    for (const Flag& flag : train_flags(options)) {
        for (const std::string& name : flag.all_names()) {
            BOOST_TEST(all.find(name) != std::string::npos, name);
        }
    }
    BOOST_TEST(train({"--version"}).answer.rfind("gradus 0.1.0", 0) == 0);
    BOOST_TEST(bench({"--help"}).answer.find("--warmup") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(command_line_beats_file_beats_default) {
    const TemporaryFolder folder;
    const Options o = with_file(folder,
                                "# recipe\nlr = 0.5  # high\nepochs=9\nwd = 0.125\n"
                                "data-path = \"/a #\\\"b\"\nweights = '/c \\d'\nnesterov = false\n",
                                {"--epochs", "7"});
    BOOST_TEST(o.lr == 0.5);
    BOOST_TEST(o.epochs == 7);
    BOOST_TEST(o.weight_decay == 0.125);
    BOOST_TEST(o.data_path == "/a #\"b");
    BOOST_TEST(o.weights == "/c \\d");
    BOOST_TEST(!o.nesterov);
    BOOST_TEST(o.momentum == Options().momentum);
}

BOOST_AUTO_TEST_CASE(a_plain_width_on_the_command_line_beats_the_file) {
    const TemporaryFolder folder;
    const Options o = with_file(folder, "weight-bits = 2\nbits = 3\n", {"--bits", "6"});
    BOOST_TEST(o.weight_bits == 6);
    BOOST_TEST(o.activation_bits == 6);
}

BOOST_AUTO_TEST_CASE(a_file_that_is_half_understood_is_refused) {
    const TemporaryFolder folder;
    const auto bad = [&](const std::string& content, const std::vector<std::string>& parts) {
        return throws(ErrorKind::usage, parts, [&] { with_file(folder, content); });
    };
    BOOST_TEST(bad("epochs = 3\nlr: 0.3\n", {"recipe.toml:2", "key = value", "lr: 0.3"}));
    BOOST_TEST(bad(std::string(100, 'x'), {"got `" + std::string(60, 'x') + "...`"}));
    BOOST_TEST(with_file(folder,
                         "\xef\xbb\xbf"
                         "bits = 3\n")
                   .bits == 3);  // a byte order mark
    BOOST_TEST(refused({"--config", "a", "--config", "b"}, {"--config is given twice"}));
    BOOST_TEST(refused({"--output", ""}, {"--output needs a value"}));
    BOOST_TEST(bad("[train]\nlr = 0.3\n", {"recipe.toml:1", "[train]"}));
    BOOST_TEST(bad("lrr = 0.3\n", {"recipe.toml:1", "'lrr'", "'lr'"}));
    BOOST_TEST(bad("lr = 0.3\nlr = 0.2\n", {"recipe.toml:2", "twice"}));
    BOOST_TEST(bad("lr = -1\n", {"recipe.toml:1", "--lr takes"}));
    BOOST_TEST(bad("lr =\n", {"recipe.toml:1"}));
    BOOST_TEST(bad("epochs = [1, 2]\n", {"recipe.toml:1"}));
    BOOST_TEST(bad("model = \"resnet18\n", {"recipe.toml:1"}));
    BOOST_TEST(bad("model = resnet 18\n", {"recipe.toml:1"}));
    BOOST_TEST(bad("resume = auto\n", {"recipe.toml:1", "'resume'"}));
    BOOST_TEST(bad("help = true\n", {"recipe.toml:1", "'help'"}));
    BOOST_TEST(refused({"--config", "/nowhere/recipe.toml"}, {"/nowhere/recipe.toml", "No such"}));
    BOOST_TEST(refused({"--config", "/"}, {"folder"}));
}

// Gives every alias together with its name.
BOOST_AUTO_TEST_CASE(a_file_says_each_thing_by_one_name) {
    const TemporaryFolder folder;
    Options options;
    int aliases = 0;
    for (const Flag& flag : train_flags(options)) {
        if (flag.use == FlagUse::question || flag.use == FlagUse::call) continue;
        const bool width = flag.name().ends_with("-bits");
        const std::string value = width ? "4" : flag_text(flag).empty() ? "x" : flag_text(flag);
        for (const std::string& spelling : flag.all_names()) {
            const std::string alias = spelling.substr(2);
            if (alias.empty() || !spelling.starts_with("--") || alias == flag.name()) continue;
            ++aliases;
            for (const auto& [a, b] : {std::pair{alias, flag.name()}, {flag.name(), alias}}) {
                const std::string text = join(a, " = ", value, "\n", b, " = ", value, "\n");
                BOOST_TEST(throws(ErrorKind::usage,
                                  {"recipe.toml:2: '" + b + "' and '" + a + "'", "keep one"},
                                  [&] { with_file(folder, text); }),
                           text);
            }
        }
    }
    BOOST_TEST(aliases >= 9);
    BOOST_TEST(with_file(folder, "wd = 0.25\nbits = 3\nweight-bits = 4\n").weight_decay == 0.25);
}

// A path is bytes: they are kept, or the run is refused before it begins.
BOOST_AUTO_TEST_CASE(bytes_that_are_not_utf8_come_back_from_the_file) {
    const TemporaryFolder folder;
    for (const char* path : {"/caf\xe9 1", "/a\\b\"\xff#", "/caf\xc3\xa9"}) {
        const Options o = train({"--data-path", path});
        BOOST_TEST(with_file(folder, config_toml(o)).data_path == path);
    }
    BOOST_TEST(refused({"--data-path", "/it's \xff"}, {"--data-path", "not UTF-8", "rename"}));
    BOOST_TEST(refused({"--weights", "/a\n\xff"}, {"--weights", "not UTF-8", "rename"}));
}

BOOST_AUTO_TEST_CASE(config_toml_runs_the_same_again) {
    const TemporaryFolder folder;
    const Options o = train({"--lr", "0.1000000000000000055", "--weight-decay", "1e-4", "--bits",
                             "3", "--activation-bits", "8", "--data-path", "/a \"b\"\\c#d",
                             "--seed", "18446744073709551615", "--no-nesterov", "--bn-fold", "-1",
                             "--quiet", "--output", "somewhere"});
    const Options again = with_file(folder, config_toml(o));
    auto first = nlohmann::json::parse(options_json(o));
    auto second = nlohmann::json::parse(options_json(again));
    BOOST_TEST(second["output"] == "");  // of this call only
    BOOST_TEST(second["quiet"] == false);
    for (const char* call : {"output", "quiet", "config"}) {
        first.erase(call);
        second.erase(call);
    }
    BOOST_TEST(first == second);
    BOOST_TEST(first["seed"] == UINT64_MAX);
    BOOST_TEST(first["weight-bits"] == 3);
    BOOST_TEST(first["nesterov"] == false);
}

BOOST_AUTO_TEST_CASE(the_header_names_every_option) {
    std::string text;
    for (const std::string& line : header_lines(train({"--lr", "0.375"}))) {
        BOOST_TEST(line.size() <= 100);
        text += line + "\n";
    }
    Options options;
    for (const Flag& flag : train_flags(options)) {
        if (flag.use != FlagUse::recipe && flag.use != FlagUse::machine) continue;
        BOOST_TEST(text.find(flag.name() + " ") != std::string::npos, flag.name());
    }
    BOOST_TEST(text.find("lr 0.375") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(a_resumed_run_keeps_its_recipe) {
    const TemporaryFolder folder;
    folder.file("config.toml", config_toml(train({"--lr", "0.5", "--threads", "1"})));
    const std::string path = folder.path("");
    const Options o = train({"--resume", path.c_str(), "--threads", "2", "--quiet"});
    BOOST_TEST(o.lr == 0.5);
    BOOST_TEST(o.threads == 2);
    BOOST_TEST(o.quiet);
    BOOST_TEST(o.output + "/" == path);
    BOOST_TEST(o.resume == o.output);
    BOOST_TEST(train({"--resume", path.c_str(), "--lr", "0.5", "--bits", "4"}).lr == 0.5);
    BOOST_TEST(refused({"--resume", path.c_str(), "--lr", "0.25"}, {"--lr 0.5, not 0.25", "drop"}));
    BOOST_TEST(refused({"--resume", path.c_str(), "--bits", "3"}, {"-bits 4, not 3"}));
    BOOST_TEST(refused({"--resume", path.c_str(), "--weight-bits", "3"}, {"-bits 4, not 3"}));
    BOOST_TEST(refused({"--resume", path.c_str(), "--output", "x"}, {"drop --output"}));
    BOOST_TEST(refused({"--resume", path.c_str(), "--config", "x"}, {"drop --config"}));
    BOOST_TEST(throws(ErrorKind::data, {"/nowhere", "no config.toml"}, [] {
        train({"--resume", "/nowhere"});
    }));
}

BOOST_AUTO_TEST_CASE(bench_has_its_own_flags) {
    const BenchOptions o = bench({"--step", "--algo", "lsq", "--steps", "5", "--image-size", "16"});
    BOOST_TEST(o.algo == "lsq");
    BOOST_TEST(o.steps == 5);
    BOOST_TEST(o.image_size == 16);
    BOOST_TEST(o.stem == "small");
    BOOST_TEST(o.threads == 0);
    BOOST_TEST(throws(ErrorKind::usage, {"--step", "--fake-quantize"}, [] { bench({}); }));
    BOOST_TEST(throws(ErrorKind::usage, {"drop one"}, [] {
        bench({"--step", "--fake-quantize"});
    }));
    BOOST_TEST(throws(ErrorKind::usage, {"--epochs"}, [] { bench({"--step", "--epochs", "1"}); }));
}

BOOST_AUTO_TEST_CASE(bench_measures_fake_quantization_on_one_thread_unless_told) {
    BOOST_TEST(bench({"--fake-quantize"}).threads == 1);
    BOOST_TEST(bench({"--fake-quantize"}).mebibytes == 256);
    BOOST_TEST(bench({"--fake-quantize", "--threads", "0"}).threads == 0);
    BOOST_TEST(bench({"--fake-quantize", "--threads", "2", "--mebibytes", "8"}).threads == 2);
    BOOST_TEST(throws(ErrorKind::usage, {"--mebibytes"}, [] {
        bench({"--fake-quantize", "--mebibytes", "0"});
    }));
}

BOOST_AUTO_TEST_CASE(the_nearest_name_is_suggested) {
    BOOST_TEST(edit_distance("", "abc") == 3);
    BOOST_TEST(edit_distance("kitten", "sitting") == 3);
    BOOST_TEST(edit_distance("modle", "model") == 1);  // neighbours swapped
    BOOST_TEST(edit_distance("same", "same") == 0);
    const std::vector<std::string> names = {"resnet18", "resnet50", "lsq"};
    BOOST_TEST(nearest_name("resnet81", names) == "resnet18");
    BOOST_TEST(nearest_name("res", names) == "resnet18");  // the beginning of it
    BOOST_TEST(nearest_name("mobilenet", names) == "");
    BOOST_TEST(nearest_name("x", names) == "");
    BOOST_CHECK_NO_THROW(check_name("model", "lsq", names));
    BOOST_TEST(throws(ErrorKind::usage,
                      {"unknown model 'lsp'", "did you mean 'lsq'?", "resnet18, resnet50, lsq"},
                      [&] { check_name("model", "lsp", names); }));
}

BOOST_AUTO_TEST_CASE(a_list_takes_its_flag_again_and_again) {
    const char* const arguments[] = {"quantizer", "--set", "scale=0.5",     "--set=beta=-1",
                                     "--algo",    "lsq+",  "--per-channel", "-1"};
    const QuantizerQuestion question = parse_quantizer_question(8, arguments);
    BOOST_TEST(question.set == (std::vector<std::string>{"scale=0.5", "beta=-1"}));
    BOOST_TEST(question.algo == "lsq+");
    BOOST_TEST(question.channel_axis == -1);
    QuantizerQuestion copy = question;
    for (const Flag& flag : quantizer_question_flags(copy)) {
        if (flag.name() != "set") continue;
        BOOST_TEST(flag_text(flag) == "scale=0.5 beta=-1");
        BOOST_TEST(flag_literal(flag) == R"(["scale=0.5","beta=-1"])");
    }
}

BOOST_AUTO_TEST_SUITE_END()
