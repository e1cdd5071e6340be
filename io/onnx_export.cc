#include "io/onnx_export.h"

#include "io/onnx_file.h"
#include "io/onnx_qdq.h"
#include "io/onnx_qoperator.h"
#include "io/onnx_targets.h"

namespace gradus {

OnnxSummary save_onnx(const std::string& path, const QuantizedModel& model, const Program& program,
                      const OnnxRequest& request) {
    const OnnxTarget& target = find_onnx_target(request.target);
    refuse_quantizers(target, model);
    OnnxFile file("gradus");
    if (request.form == "qoperator") {
        refuse_qoperator(target, program);
        write_qoperator(file, model, program);
    } else {
        const SimulateAs exact(model, Simulate::exact);  // constants as codes
        write_qdq(file, model.inference, target);
    }
    return file.save(path, request.facts);
}

OnnxSummary save_float_onnx(const std::string& path, const Graph& network,
                            const OnnxRequest& request) {
    check_kind(request.form != "qoperator", ErrorKind::usage,
               "a float network has no codes; drop --form qoperator");
    OnnxFile file("gradus");
    write_qdq(file, network, find_onnx_target(request.target));
    return file.save(path, request.facts);
}

}  // namespace gradus
