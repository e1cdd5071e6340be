"""onnxruntime's integer kernels, one node at a time; shared with tests/golden/make_onnxruntime.py.
The type of the codes is that of the numpy arrays, uint8 or int8."""
import numpy as np
import onnx
import onnxruntime
from onnx import helper


def run(operator, operands, fed, domain="", **attributes):
    """The output of one node. `operands` are named arrays; those in `fed` are the graph's inputs, the
    rest its constants."""
    kind = helper.np_dtype_to_tensor_dtype
    node = helper.make_node(operator, list(operands), ["y"], domain=domain, **attributes)
    graph = helper.make_graph(
        [node], "g",
        [helper.make_tensor_value_info(n, kind(operands[n].dtype), operands[n].shape) for n in fed],
        [helper.make_tensor_value_info("y", kind(operands[fed[0]].dtype), None)],
        [onnx.numpy_helper.from_array(a, n) for n, a in operands.items() if n not in fed])
    model = helper.make_model(graph, ir_version=7, opset_imports=[
        helper.make_opsetid("", 13), helper.make_opsetid("com.microsoft", 1)])
    session = onnxruntime.InferenceSession(model.SerializeToString(),
                                           providers=["CPUExecutionProvider"])
    return session.run(None, {n: operands[n] for n in fed})[0]


def grid(name, scale, zero_point, dtype):
    return {"s" + name: np.array(scale, np.float32), "z" + name: np.array(zero_point, dtype)}


def conv(acc, sw, sx, sy, zx, zy, dtype=np.uint8):
    """Codes of QLinearConv for the accumulators acc[c]. They are injected as the bias of a 1x1
    convolution whose input is its zero point. `sw` is a number, or one for each channel."""
    sw = np.asarray(sw, np.float32)
    operands = {"x": np.full((1, 1, 1, 1), zx, dtype), **grid("x", sx, zx, dtype),
                "w": np.ones((acc.size, 1, 1, 1), np.int8), **grid("w", sw, np.zeros(sw.shape), np.int8),
                **grid("y", sy, zy, dtype), "b": acc.astype(np.int32)}
    return run("QLinearConv", operands, ["x"]).reshape(-1)


def witness(depthwise):
    """The code of sum 255 x 127 over two taps, in steps of 512: of 8 filters over a 1 x 2 window of one
    channel, or of 8 channels with a filter each."""
    channels = 8 if depthwise else 1
    operands = {"x": np.full((1, channels, 1, 2), 255, np.uint8), **grid("x", 1, 0, np.uint8),
                "w": np.full((8, 1, 1, 2), 127, np.int8), **grid("w", 1, 0, np.int8),
                **grid("y", 512, 0, np.uint8)}
    return run("QLinearConv", operands, ["x"], group=channels).reshape(-1)[0]


def add(a, b, scales, zero_points):
    (sa, sb, sc), (za, zb, zc) = scales, zero_points
    operands = {"a": a, **grid("a", sa, za, a.dtype), "b": b, **grid("b", sb, zb, a.dtype),
                **grid("c", sc, zc, a.dtype)}
    return run("QLinearAdd", operands, ["a", "b"], "com.microsoft")


def average(operator, x, scale, zero_point, channels_last=False, **attributes):
    """QLinearGlobalAveragePool or QLinearAveragePool of x [n, c, h, w] on one grid, computed in NHWC
    where channels are last; the codes in the order of NCHW."""
    if channels_last:
        x = np.ascontiguousarray(x.transpose(0, 2, 3, 1))
    operands = {"x": x, **grid("x", scale, zero_point, x.dtype),
                **grid("y", scale, zero_point, x.dtype)}
    y = run(operator, operands, ["x"], "com.microsoft", channels_last=int(channels_last), **attributes)
    return (y.transpose(0, 3, 1, 2) if channels_last else y).reshape(-1)
