"""LiteRT's kernels (reference, optimized, the XNNPACK delegate) and TFLite Micro's, one int8 operator at
a time. A model of one operator is written with LiteRT's schema of flatbuffers."""
import contextlib
import os
from importlib import metadata

import flatbuffers
import numpy as np
from ai_edge_litert import interpreter, schema_py_generated as schema

REFERENCE, OPTIMIZED, XNNPACK, MICRO = "reference", "optimized", "XNNPACK", "Micro"
RESOLVERS = {REFERENCE: interpreter.OpResolverType.BUILTIN_REF,
             OPTIMIZED: interpreter.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
             XNNPACK: interpreter.OpResolverType.BUILTIN}
TYPES = {np.dtype(np.int8): schema.TensorType.INT8, np.dtype(np.int32): schema.TensorType.INT32,
         np.dtype(np.float32): schema.TensorType.FLOAT32}
# The delegate leaves these to LiteRT's own kernels.
NOT_DELEGATED = ("AVERAGE_POOL_2D",)
# operator: the version of its first int8 kernel, its options
OPERATORS = {"CONV_2D": (3, schema.Conv2DOptionsT), "DEPTHWISE_CONV_2D": (3, schema.DepthwiseConv2DOptionsT),
             "FULLY_CONNECTED": (4, schema.FullyConnectedOptionsT), "ADD": (2, schema.AddOptionsT),
             "MEAN": (2, schema.ReducerOptionsT), "AVERAGE_POOL_2D": (2, schema.Pool2DOptionsT),
             "MAX_POOL_2D": (2, schema.Pool2DOptionsT), "QUANTIZE": (1, schema.QuantizeOptionsT)}
VALID, SAME = schema.Padding.VALID, schema.Padding.SAME
ACTIVATIONS = {"": schema.ActivationFunctionType.NONE, "relu": schema.ActivationFunctionType.RELU,
               "relu6": schema.ActivationFunctionType.RELU6}


def library(kernels):
    if kernels == MICRO:
        return f"TFLite Micro {metadata.version('tflite-micro').partition('.dev')[2][:8]}"
    return f"LiteRT {metadata.version('ai-edge-litert')} {kernels}"


class Operand:
    """A tensor of codes: its values, or the type and shape of the output; scale (one, or one for each
    channel along `axis`) and zero point."""

    def __init__(self, array, scale=None, zero_point=0, axis=0):
        self.array, self.axis = array, axis
        self.scales = np.atleast_1d(np.asarray(scale, np.float32)) if scale is not None else None
        self.zero_points = np.full(1 if scale is None else self.scales.size, zero_point, np.int64)

    def tensor(self, name, buffer):
        t = schema.TensorT()
        t.name, t.buffer, t.shape, t.type = name, buffer, list(self.array.shape), TYPES[self.array.dtype]
        if self.scales is not None:
            t.quantization = schema.QuantizationParametersT()
            t.quantization.scale, t.quantization.zeroPoint = self.scales, self.zero_points
            t.quantization.quantizedDimension = self.axis
        return t


def model(operator, operands, fed, output, **options):
    """The bytes of a model. The first `fed` operands are its inputs, the rest constants."""
    version, options_type = OPERATORS[operator]
    m, graph, op, code = schema.ModelT(), schema.SubGraphT(), schema.OperatorT(), schema.OperatorCodeT()
    m.version, m.subgraphs, m.operatorCodes = 3, [graph], [code]
    code.builtinCode = getattr(schema.BuiltinOperator, operator)
    code.deprecatedBuiltinCode, code.version = min(code.builtinCode, 127), version
    tensors = [*operands, output]
    m.buffers = [schema.BufferT() for _ in range(len(tensors) + 1)]  # the first one is empty
    for i in range(fed, len(operands)):
        m.buffers[i + 1].data = np.frombuffer(operands[i].array.tobytes(), np.uint8)
    graph.tensors = [t.tensor(f"t{i}", i + 1) for i, t in enumerate(tensors)]
    graph.inputs, graph.outputs, graph.operators = list(range(fed)), [len(operands)], [op]
    op.inputs, op.outputs = list(range(len(operands))), [len(operands)]
    op.builtinOptions = options_type()
    op.builtinOptionsType = getattr(schema.BuiltinOptions, options_type.__name__[:-1])
    for name, value in options.items():
        setattr(op.builtinOptions, name, value)
    builder = flatbuffers.Builder(1024)
    builder.Finish(m.Pack(builder), b"TFL3")
    return bytes(builder.Output())


@contextlib.contextmanager
def silent():
    """Both libraries write to the process's stderr."""
    kept, null = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(null)


def run_micro(content, arrays):
    from tflite_micro import runtime
    arena = 65536 + 8 * sum(a.size for a in arrays) + 2 * len(content)
    runner = runtime.Interpreter.from_bytes(content, arena_size=arena)
    for i, array in enumerate(arrays):
        runner.set_input(array, i)
    runner.invoke()
    return runner.get_output(0).copy()


def run_litert(content, arrays, kernels, is_delegated):
    runner = interpreter.Interpreter(model_content=content, num_threads=1,
                                     experimental_op_resolver_type=RESOLVERS[kernels])
    runner.allocate_tensors()
    if is_delegated != any(op["op_name"] == "DELEGATE" for op in runner._get_ops_details()):
        raise RuntimeError("another kernel runs than the comparison names: LiteRT's delegate has "
                           f"{'not ' if is_delegated else ''}taken the operator")
    for detail, array in zip(runner.get_input_details(), arrays):
        runner.set_tensor(detail["index"], array)
    runner.invoke()
    return runner.get_tensor(runner.get_output_details()[0]["index"]).copy()


def run(kernels, operator, operands, fed, output, **options):
    content = model(operator, operands, fed, output, **options)
    arrays = [o.array for o in operands[:fed]]
    with silent():
        if kernels == MICRO:
            return run_micro(content, arrays)
        return run_litert(content, arrays, kernels, kernels == XNNPACK and operator not in NOT_DELEGATED)


def int8(shape):
    return np.empty(shape, np.int8)


def conv(kernels, acc, sw, sx, sy, zx, zy, activation=""):
    """Codes of CONV_2D for the accumulators acc[c]: the bias of a 1x1 convolution whose input is its zero
    point."""
    n = acc.size
    return run(kernels, "CONV_2D",
               [Operand(np.full((1, 1, 1, 1), zx, np.int8), sx, zx),
                Operand(np.ones((n, 1, 1, 1), np.int8), np.broadcast_to(sw, n)),
                Operand(acc.astype(np.int32), np.float32(sx) * np.broadcast_to(sw, n).astype(np.float32))],
               1, Operand(int8((1, 1, 1, n)), sy, zy), padding=VALID, strideH=1, strideW=1,
               fusedActivationFunction=ACTIVATIONS[activation]).reshape(-1)


def depthwise(kernels, acc, sw, sx, sy, zx, zy, activation=""):
    n = acc.size
    return run(kernels, "DEPTHWISE_CONV_2D",
               [Operand(np.full((1, 1, 1, n), zx, np.int8), sx, zx),
                Operand(np.ones((1, 1, 1, n), np.int8), np.broadcast_to(sw, n), axis=3),
                Operand(acc.astype(np.int32), np.float32(sx) * np.broadcast_to(sw, n).astype(np.float32))],
               1, Operand(int8((1, 1, 1, n)), sy, zy), padding=VALID, strideH=1, strideW=1,
               depthMultiplier=1, fusedActivationFunction=ACTIVATIONS[activation]).reshape(-1)


def dense(kernels, acc, sw, sx, sy, zx, zy, activation=""):
    n = acc.size
    return run(kernels, "FULLY_CONNECTED",
               [Operand(np.full((1, 1), zx, np.int8), sx, zx),
                Operand(np.ones((n, 1), np.int8), sw if np.ndim(sw) else float(sw)),
                Operand(acc.astype(np.int32), np.float32(sx) * np.asarray(sw, np.float32))],
               1, Operand(int8((1, n)), sy, zy),
               fusedActivationFunction=ACTIVATIONS[activation]).reshape(-1)


def add(kernels, a, b, scales, zero_points):
    (sa, sb, sy), (za, zb, zy) = scales, zero_points
    return run(kernels, "ADD", [Operand(a.reshape(1, 1, 1, -1), sa, za), Operand(b.reshape(1, 1, 1, -1), sb, zb)],
               2, Operand(int8((1, 1, 1, a.size)), sy, zy)).reshape(-1)


def mean(kernels, x, scale, zero_point, keep):
    """MEAN over height and width of x [1, h, w, channels] on one grid."""
    c = x.shape[3]
    return run(kernels, "MEAN", [Operand(x, scale, zero_point), Operand(np.array([1, 2], np.int32))], 1,
               Operand(int8((1, 1, 1, c) if keep else (1, c)), scale, zero_point), keepDims=keep).reshape(-1)


def pool(kernels, operator, x, scale, zero_point, side, stride, padding):
    n, h, w, c = x.shape
    out = [-(-(e - (side - 1 if padding == VALID else 0)) // stride) for e in (h, w)]
    return run(kernels, operator, [Operand(x, scale, zero_point)], 1,
               Operand(int8((n, *out, c)), scale, zero_point), padding=padding, strideH=stride,
               strideW=stride, filterHeight=side, filterWidth=side)


def quantize(kernels, x, scale, zero_point):
    return run(kernels, "QUANTIZE", [Operand(x.astype(np.float32))], 1,
               Operand(int8(x.shape), scale, zero_point))
