#include "run/deploy/export.h"

#include <algorithm>
#include <iostream>

#include "io/encodings.h"
#include "io/onnx_export.h"
#include "run/output_path.h"
#include "run/train/assemble.h"
#include "run/version.h"
#include "tensor/affine.h"

namespace gradus {

namespace {

OnnxRequest request_of(const DeployOptions& options, const OpenedRun& run) {
    OnnxRequest request;
    if (!options.target.empty()) request.target = options.target;
    if (!options.form.empty()) request.form = options.form;
    request.facts = run_facts(run);
    return request;
}

std::string line_of(const std::string& path, const OnnxSummary& s, const std::string& what) {
    return join(path, ": ", what, ", opset ", s.opset, ", IR ", s.ir_version, ", ", s.nodes,
                " nodes, read back", s.checked ? " and checked by libonnx" : "");
}

std::string rules_in_force(const QuantizedModel& model) {
    return rules_text(*model.hardware, model.recipe.accumulator);
}

// Of the ONNX targets only onnxruntime's arithmetic is known bit for bit.
std::string note_on(const OnnxRequest& request, const QuantizedModel& model) {
    const std::string rules = rules_text(find_hardware("onnxruntime"), AccumulatorPolicy::exact);
    const std::string trained = rules_in_force(model);
    if (request.target != "onnxruntime" || trained == rules) return "";
    return join("note: onnxruntime computes by ", rules, "; this network was trained for ",
                model.hardware->name, " (", trained, "), so codes may differ");
}

// onnxruntime 1.32 has no convolution of INT4.
std::string note_on_int4(const OnnxRequest& request, const QuantizedModel& model) {
    const bool int4 =
        std::any_of(model.quantizers.begin(), model.quantizers.end(),
                    [](const auto& q) { return q->role == Role::weight && q->format.bits == 4; });
    if (request.target != "onnxruntime" || request.form != "qdq" || !int4) return "";
    return "note: onnxruntime computes layers of INT4 weights in float, so codes may differ; with "
           "--form qoperator they do not";
}

bool has_weights_beyond_64(const Program& program) {
    return std::any_of(program.instructions.begin(), program.instructions.end(), [](const auto& i) {
        const auto found = i.constants.find("weight");
        if (i.is_float || found == i.constants.end()) return false;
        const CodeReader w(found->second);
        for (int64_t e = 0; e < found->second.numel(); ++e) {
            if (w[e] < -64 || w[e] > 64) return true;
        }
        return false;
    });
}

bool has_unsigned_activations(const QuantizedModel& model) {
    return std::any_of(model.quantizers.begin(), model.quantizers.end(), [](const auto& q) {
        return q->role == Role::activation && !q->format.is_signed;
    });
}

// Without VNNI onnxruntime adds pairs of products of u8 and s8 codes in 16 bits, but in depthwise
// convolutions.
std::string note_on_pairs(const OnnxRequest& request, const QuantizedModel& model,
                          const Program& program) {
    const bool may_saturate = has_unsigned_activations(model) && has_weights_beyond_64(program);
    if (request.target != "onnxruntime" || !may_saturate) return "";
    if (model.recipe.accumulator == AccumulatorPolicy::pairs16) {
        return "note: onnxruntime sums by pairs16 on x86 CPUs without VNNI alone, and there only "
               "while session.x64quantprecision is not 1; elsewhere codes differ";
    }
    if (model.recipe.accumulator != AccumulatorPolicy::exact) return "";
    return "note: on x86 CPUs without VNNI onnxruntime saturates pairs of products, and codes "
           "differ; there set session.x64quantprecision = 1, or train with --accumulator pairs16";
}

// Flags about quantizers, images or reports do not apply to a float export.
void refuse_beside_float(const DeployOptions& o) {
    const std::pair<bool, const char*> flags[] = {{!o.hardware.empty(), "--hardware"},
                                                  {o.images >= 0, "--images"},
                                                  {!o.layers, "--no-layers"},
                                                  {o.given.contains("layers"), "--layers"},
                                                  {o.gap, "--gap"},
                                                  {!o.golden.empty(), "--golden"},
                                                  {!o.logits.empty(), "--logits"},
                                                  {!o.target.empty(), "--target"},
                                                  {!o.form.empty(), "--form"},
                                                  {!o.encodings.empty(), "--encodings"},
                                                  {!o.tensorrt_ranges.empty(), "--tensorrt-ranges"},
                                                  {o.json, "--json"},
                                                  {o.threads > 0, "--threads"}};
    for (const auto& [given, flag] : flags) {
        check_kind(!given, ErrorKind::usage, "the run in ", o.run,
                   " has --algo none: --onnx writes ",
                   "it as the float network it is and runs nothing; drop ", flag);
    }
}

}  // namespace

std::map<std::string, std::string> run_facts(const OpenedRun& run) {
    const Options& o = run.options;
    std::map<std::string, std::string> facts{{"model", o.model},
                                             {"stem", run.stem},
                                             {"dataset", run.data.test->facts().name},
                                             {"version", version()},
                                             {"commit", version_commit()}};
    if (o.algo == "none") return facts;
    facts["algorithms"] = algorithms_text(o);
    facts["weight_bits"] = std::to_string(o.weight_bits);
    facts["activation_bits"] = std::to_string(o.activation_bits);
    return facts;
}

std::vector<std::string> write_exports(const DeployOptions& options, const OpenedRun& run,
                                       const Program& program) {
    std::vector<std::string> lines;
    // Each may refuse before it writes, so check in this order and leave no file after a refusal.
    if (!options.tensorrt_ranges.empty()) {
        make_parent_folders(options.tensorrt_ranges);
        save_tensorrt_ranges(options.tensorrt_ranges, run.model);
        lines.push_back(options.tensorrt_ranges + ": dynamic ranges for TensorRT");
    }
    if (!options.onnx.empty()) {
        make_parent_folders(options.onnx);
        OnnxRequest request = request_of(options, run);
        request.facts["hardware"] = run.model.hardware->name;
        request.facts["rules"] = rules_in_force(run.model);
        const OnnxSummary summary = save_onnx(options.onnx, run.model, program, request);
        lines.push_back(line_of(options.onnx, summary, request.form + " for " + request.target));
        for (const std::string& note :
             {note_on(request, run.model), note_on_int4(request, run.model),
              note_on_pairs(request, run.model, program)}) {
            if (!note.empty()) lines.push_back(note);
        }
    }
    if (!options.encodings.empty()) {
        make_parent_folders(options.encodings);
        save_encodings(options.encodings, run.model);
        lines.push_back(options.encodings + ": AIMET's encodings 0.6.1");
    }
    return lines;
}

int export_float(const DeployOptions& options) {
    refuse_beside_float(options);
    const OpenedRun run = open_float_run(options.run, options.data_path);
    make_parent_folders(options.onnx);
    const OnnxSummary summary =
        save_float_onnx(options.onnx, run.network, request_of(options, run));
    std::cerr << line_of(options.onnx, summary, "float network") << '\n';
    return 0;
}

}  // namespace gradus
