#!/usr/bin/env python3
"""The ONNX file of a run in onnxruntime next to the integers: every code of every quantizer.

    scripts/compare_onnx.py runs/latest                     # 1,000 images, form qdq
    scripts/compare_onnx.py runs/latest --form qoperator
    scripts/compare_onnx.py runs/latest --measure           # report differences, demand nothing

./deploy writes the file and a golden bundle of the same images; onnxruntime runs the file with every
code tensor as an output. With graph optimisations on, every convolution has to become a QLinearConv and
no code may differ; with them off (the file's floats as they stand) the difference is only reported.
onnx.checker looks at the file, and in the form qdq at those of all targets.

On x86 CPUs without VNNI onnxruntime saturates pairs of products of unsigned activations in 16 bits
unless the session's entry session.x64quantprecision is 1, which this script sets. Signed activations are
summed exactly, and with the entry their files are refused. A run with --accumulator pairs16 is to
saturate, so the entry is left alone; its codes are equal on such CPUs only.

Needs the PyPI packages onnxruntime and onnx (scripts/setup.sh --oracles makes .oracles, which is found
by itself). Without them nothing is compared: a line on stderr says so, and the code is 0. Ends with 1
if a code differs or a file is refused."""

import argparse
import collections
import json
import pathlib
import subprocess
import sys
import tempfile

from cpu_features import cpu_line
from oracle_packages import ROOT, find_packages

PACKAGES = ("numpy", "onnx", "onnxruntime")
TARGETS = ("onnxruntime", "tensorrt", "openvino", "qonnx", "float")
BATCH = 50


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("run", help="folder of a finished run")
    parser.add_argument("--images", type=int, default=1000, help="of the test set")
    parser.add_argument("--form", choices=["qdq", "qoperator"], default="qdq")
    parser.add_argument("--x64quantprecision", choices=["0", "1"],
                        help="the session's entry; else 1 for unsigned activations and exact sums")
    parser.add_argument("--measure", action="store_true", help="demand no equality")
    parser.add_argument("--deploy", default=str(ROOT / "deploy"), help="the program")
    return parser.parse_args()


def deploy(options, *flags):
    command = [options.deploy, options.run, "--no-layers", *map(str, flags)]
    return subprocess.run(command, capture_output=True, text=True)


def export(options, folder):
    """The ONNX file and the manifest of the bundle next to it."""
    done = deploy(options, "--images", options.images, "--onnx", folder / "model.onnx",
                  "--form", options.form, "--golden", folder / "golden")
    if done.returncode:
        sys.exit(f"compare_onnx: {options.deploy} ended with {done.returncode}: {done.stderr}")
    return folder / "model.onnx", json.loads((folder / "golden/manifest.json").read_text())


def accepted(what, path):
    """True if onnx.checker accepts the file; checks shapes if every operator is ONNX's own."""
    import onnx
    own = all(not entry.domain for entry in onnx.load(path).opset_import)
    try:
        onnx.checker.check_model(str(path), full_check=own)
        print(f"{what:12} onnx.checker accepts it")
        return True
    except Exception as reason:  # pylint: disable=broad-except
        print(f"{what:12} REFUSED by onnx.checker: {reason}")
        return False


def check_targets(options, folder):
    """Checks the file of every target that supports the run; True if all are accepted."""
    good = True
    for target in TARGETS:
        path = folder / f"{target}.onnx"
        done = deploy(options, "--images", 1, "--onnx", path, "--target", target)
        if done.returncode == 2:
            print(f"{target:12} {done.stderr.strip()}")
        else:
            good = accepted(target, path) and good
    return good


def code_tensors(manifest):
    """(name in the ONNX file, layer of the bundle) wherever a layer's output is codes."""
    for layer in manifest["layers"]:
        if layer["output"]["grid"]:
            quantizer = layer["quantizer"] or layer["name"] + ".quantizer"
            yield quantizer + ".codes", layer


def with_outputs(path, names):
    """The model with these tensors as outputs too."""
    import onnx
    model = onnx.load(path)
    types = {info.name: info for info in onnx.shape_inference.infer_shapes(model).graph.value_info}
    known = {name for node in model.graph.node for name in node.output}
    for name in names:
        if name not in known:
            sys.exit(f"compare_onnx: {path} has no tensor {name}")
        output = types.get(name) or onnx.helper.make_empty_tensor_value_info(name)
        model.graph.output.append(output)
    return model.SerializeToString()


def saturates(manifest):
    """Whether the run sums by pairs16 in some layer."""
    return any(layer["attributes"].get("accumulator_policy") == "pairs16" for layer in manifest["layers"])


def precision_of(manifest):
    grids = [layer["output"]["grid"] for layer in manifest["layers"] if layer["output"]["grid"]]
    return "0" if saturates(manifest) or any(grid["signed"] for grid in grids) else "1"


def session(model, optimised, file, precision):
    import onnxruntime
    options = onnxruntime.SessionOptions()
    levels = onnxruntime.GraphOptimizationLevel
    options.graph_optimization_level = levels.ORT_ENABLE_ALL if optimised else levels.ORT_DISABLE_ALL
    options.optimized_model_filepath = str(file)
    options.log_severity_level = 3
    # Without it int8 activations are computed in float on x86.
    options.add_session_config_entry("session.qdqisint8allowed", "1")
    # Else x86 CPUs without VNNI saturate pairs of products in 16 bits.
    options.add_session_config_entry("session.x64quantprecision", precision)
    try:
        return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except Exception as reason:  # pylint: disable=broad-except
        sys.exit("compare_onnx: FAILED, onnxruntime refuses the file: " + str(reason).split("\n")[0])


def channels_last(array):
    return array.transpose(0, 2, 3, 1) if array.ndim == 4 else array


def compare(run, layers, folder):
    """(codes, codes that differ, largest difference, first layer that differs, logits that differ)."""
    import numpy
    load = lambda file: numpy.load(folder / file["name"], mmap_mode="r")
    manifest = json.loads((folder / "manifest.json").read_text())
    images, logits = load(manifest["images"]), load(manifest["logits"])
    wanted = {name: load(layer["output"]["file"]) for name, layer in layers}
    codes = largest = logits_different = 0
    wrong = collections.Counter()
    first_output = run.get_outputs()[0].name
    for begin in range(0, len(images), BATCH):
        part = slice(begin, begin + BATCH)
        x = numpy.ascontiguousarray(images[part].transpose(0, 3, 1, 2))
        found = run.run([first_output, *wanted], {"input": x})
        logits_different += int((found[0] != logits[part]).sum())
        for (name, want), got in zip(wanted.items(), found[1:]):
            gap = numpy.abs(channels_last(got).reshape(want[part].shape).astype(int) - want[part])
            codes += gap.size
            wrong[name] += int((gap > 0).sum())
            largest = max(largest, int(gap.max()))
    different = sum(wrong.values())
    first = next((f"{layer['name']} ({wrong[name]:,} of {wanted[name].size:,})"
                  for name, layer in layers if wrong[name]), "none")
    return codes, different, largest, first, logits_different


def report(what, outcome):
    codes, different, largest, first, logits = outcome
    share = 100.0 * different / codes
    print(f"{what}: {different:,} of {codes:,} codes differ ({share:.4f} %), by at most {largest}, "
          f"first in {first}; {logits:,} logits differ")


def count_nodes(path, op):
    import onnx
    return sum(node.op_type == op for node in onnx.load(path).graph.node)


def main():
    find_packages(PACKAGES, "nothing was compared with onnxruntime")
    import onnxruntime
    options = arguments()
    with tempfile.TemporaryDirectory() as temporary:
        folder = pathlib.Path(temporary)
        model, manifest = export(options, folder)
        layers = list(code_tensors(manifest))
        extended = with_outputs(model, [name for name, _ in layers])
        print(f"onnxruntime {onnxruntime.__version__}, form {options.form}, "
              f"{manifest['program']['images']} images, {len(layers)} code tensors")
        precision = options.x64quantprecision or precision_of(manifest)
        print(f"{cpu_line()}\nsession.x64quantprecision {precision}: 0 lets x86 without VNNI saturate "
              "pairs of products")
        convolutions = sum(layer["op"] == "conv2d" for layer in manifest["layers"])
        fused = session(extended, True, folder / "optimised.onnx", precision)
        became = count_nodes(folder / "optimised.onnx", "QLinearConv")
        print(f"{became} QLinearConv for {convolutions} convolutions")
        outcome = compare(fused, layers, folder / "golden")
        report("optimised", outcome)
        plain = session(extended, False, folder / "plain.onnx", precision)
        report("not optimised", compare(plain, layers, folder / "golden"))
        good = accepted(options.form, model)
        if options.form == "qdq":
            good = check_targets(options, folder) and good
    equal = became >= convolutions and outcome[1] == 0
    if not equal and not options.measure:
        hint = ("; --accumulator pairs16 is for x86 CPUs without VNNI" if saturates(manifest) else "")
        print("compare_onnx: FAILED, onnxruntime and the integers differ" + hint, file=sys.stderr)
    return 0 if good and (equal or options.measure) else 1


if __name__ == "__main__":
    sys.exit(main())
