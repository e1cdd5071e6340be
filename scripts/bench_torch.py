#!/usr/bin/env python3
"""PyTorch on the work of `./bench --step`, taking turns with it in one run.

The bar is Debian's PyTorch under /usr/bin/python3, channels-last, with the allocator settings that
suit it best (no page fault per tensor, huge pages). The newer one in .oracles/, made by
`scripts/setup.sh --oracles`, is reported next to it. Quantized peers are PyTorch's own: the FX
default of quantization-aware training ("fx") and the same graph with learned scales ("lsq").

Each peer is a process that builds its network once and waits; in every round each one does a chunk
of steps while all others sleep. A ratio is the median over the rounds of chunk against chunk.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
TUNABLES = ":".join(f"glibc.malloc.{setting}" for setting in (
    "mmap_threshold=4294967296", "trim_threshold=8589934592", "top_pad=268435456", "hugetlb=1"))
PYTHONS = {"debian": "/usr/bin/python3", "oracles": str(ROOT / ".oracles/bin/python")}
CHANNELS, CLASSES = 3, 10


def arguments():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--step", action="store_true", help="measure a training step (the only work)")
    parser.add_argument("--model", default="resnet18", choices=["resnet18"])
    parser.add_argument("--stem", default="small", choices=["small", "half", "imagenet"])
    parser.add_argument("--image-size", type=int, default=32)
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--algo", default="none", choices=["none", "lsq"])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--steps", type=int, default=4, help="steps of a chunk")
    parser.add_argument("--rounds", type=int, default=5, help="chunks of each peer")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of the table")
    parser.add_argument("--no-gradus", action="store_true", help="PyTorch alone")
    parser.add_argument("--worker", choices=["float", "fx", "lsq"], help=argparse.SUPPRESS)
    return parser.parse_args()


# ---- the process of one PyTorch peer --------------------------------------------------------

def build_resnet18(torch, stem):
    nn = torch.nn

    def conv(inputs, outputs, size, stride):
        return nn.Conv2d(inputs, outputs, size, stride, size // 2, bias=False)

    class BasicBlock(nn.Module):
        def __init__(self, inputs, outputs, stride):
            super().__init__()
            self.conv1, self.bn1 = conv(inputs, outputs, 3, stride), nn.BatchNorm2d(outputs)
            self.relu1 = nn.ReLU(inplace=True)
            self.conv2, self.bn2 = conv(outputs, outputs, 3, 1), nn.BatchNorm2d(outputs)
            self.relu2 = nn.ReLU(inplace=True)
            self.downsample = None
            if stride != 1 or inputs != outputs:
                self.downsample = nn.Sequential(conv(inputs, outputs, 1, stride),
                                                nn.BatchNorm2d(outputs))

        def forward(self, x):
            y = self.bn2(self.conv2(self.relu1(self.bn1(self.conv1(x)))))
            return self.relu2(y + (x if self.downsample is None else self.downsample(x)))

    stem_size, stem_stride = {"small": (3, 1), "half": (3, 2), "imagenet": (7, 2)}[stem]
    layers = [conv(CHANNELS, 64, stem_size, stem_stride), nn.BatchNorm2d(64), nn.ReLU(inplace=True)]
    layers += [nn.MaxPool2d(3, 2, 1)] if stem == "imagenet" else []
    inputs = 64
    for outputs, stride in ((64, 1), (128, 2), (256, 2), (512, 2)):
        layers += [BasicBlock(inputs, outputs, stride), BasicBlock(outputs, outputs, 1)]
        inputs = outputs
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, CLASSES))


def learn_every_scale(model):
    """Replaces each fake quantizer by the one that learns scale and zero point."""
    from torch.ao.quantization import FakeQuantizeBase
    from torch.ao.quantization._learnable_fake_quantize import _LearnableFakeQuantize
    learnable = []
    for parent in list(model.modules()):
        for name, child in list(parent.named_children()):
            if not isinstance(child, FakeQuantizeBase):
                continue
            observer = child.activation_post_process
            channels = parent.weight.shape[0] if name == "weight_fake_quant" else -1
            new = _LearnableFakeQuantize(
                type(observer), child.quant_min, child.quant_max, channel_len=channels,
                use_grad_scaling=True, dtype=observer.dtype, qscheme=observer.qscheme)
            new.enable_static_estimate()
            setattr(parent, name, new)
            learnable.append(new)
    return learnable


def quantize(torch, model, x, learned):
    from torch.ao.quantization import get_default_qat_qconfig_mapping
    from torch.ao.quantization.quantize_fx import prepare_qat_fx
    model = prepare_qat_fx(model.train(), get_default_qat_qconfig_mapping("fbgemm"), (x,))
    if not learned:
        return model
    learnable = learn_every_scale(model)
    model(x)  # the observers give the first scales
    for module in learnable:
        module.enable_param_learning()
    return model


def peak_rss_bytes():
    for line in open("/proc/self/status"):
        if line.startswith("VmHWM"):
            return int(line.split()[1]) * 1024
    return None


def warm_up(step):
    """Runs steps until the last two are no faster: the first ones allocate pages."""
    speeds = [step() for _ in range(4)]
    while len(speeds) < 20 and max(speeds[-2:]) > 1.05 * max(speeds[:-2]):
        speeds.append(step())


def worker(options):
    import torch
    torch.set_num_threads(options.threads)
    torch.manual_seed(1)
    size = options.image_size
    x = torch.randn(options.batch_size, CHANNELS, size, size)
    x = x.contiguous(memory_format=torch.channels_last)
    labels = torch.randint(0, CLASSES, (options.batch_size,))
    model = build_resnet18(torch, options.stem)
    if options.worker != "float":
        model = quantize(torch, model, x, options.worker == "lsq")
    model = model.to(memory_format=torch.channels_last).train()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9, weight_decay=5e-4,
                                nesterov=True)

    def step():
        begin = time.perf_counter()
        optimizer.zero_grad(set_to_none=True)
        torch.nn.functional.cross_entropy(model(x), labels).backward()
        optimizer.step()
        return options.batch_size / (time.perf_counter() - begin)

    warm_up(step)
    without = [name for name, p in model.named_parameters()
               if name.endswith(".scale") and p.grad is None]
    assert not without, f"scales without a gradient: {without}"
    print(json.dumps({"version": torch.__version__}), flush=True)
    for line in sys.stdin:
        speeds = [step() for _ in range(int(line))]
        print(json.dumps({"speeds": speeds, "peak_rss_bytes": peak_rss_bytes()}), flush=True)


# ---- the peers, as the main process sees them -----------------------------------------------

class TorchPeer:
    def __init__(self, options, python, kind):
        environment = dict(os.environ, GLIBC_TUNABLES=TUNABLES, PYTHONWARNINGS="ignore")
        self.process = subprocess.Popen(
            [PYTHONS[python], __file__, "--worker", kind, *shared_flags(options)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env=environment)
        self.python, self.kind = python, kind
        self.speeds, self.rounds, self.peak = [], [], 0
        self.name = f"torch {self.receive()['version']} {kind}"

    def receive(self):
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(self.process.stderr.read().strip().split("\n")[-1])
        return json.loads(line)

    def take_turn(self, options):
        self.process.stdin.write(f"{options.steps}\n")
        self.process.stdin.flush()
        answer = self.receive()
        self.speeds += answer["speeds"]
        self.rounds.append(statistics.median(answer["speeds"]))
        self.peak = answer["peak_rss_bytes"]

    def row(self):
        return {"name": self.name, "images_per_second": statistics.median(self.speeds),
                "images_per_second_min": min(self.speeds), "images_per_second_max": max(self.speeds),
                "peak_rss_bytes": self.peak}

    def close(self):
        self.process.stdin.close()
        self.process.wait()


class GradusPeer:
    def __init__(self, options):
        self.python, self.kind = "gradus", options.algo
        self.answers, self.rounds = [], []

    def take_turn(self, options):
        result = subprocess.run(
            [str(ROOT / "bench"), "--step", "--algo", options.algo, "--steps", str(options.steps),
             "--json", *shared_flags(options)], capture_output=True, text=True)
        if result.returncode:
            raise RuntimeError(f"./bench: {result.stderr.strip()}")
        self.answers.append(json.loads(result.stdout))
        self.rounds.append(self.answers[-1]["images_per_second"])

    def row(self):
        return {"name": f"gradus {self.kind}",
                "images_per_second": statistics.median(self.rounds),
                "images_per_second_min": min(a["images_per_second_min"] for a in self.answers),
                "images_per_second_max": max(a["images_per_second_max"] for a in self.answers),
                "peak_rss_bytes": max(a["peak_rss_bytes"] for a in self.answers)}

    def close(self):
        pass


def shared_flags(options):
    return ["--model", options.model, "--stem", options.stem,
            "--image-size", str(options.image_size), "--batch-size", str(options.batch_size),
            "--threads", str(options.threads)]


def open_peers(options):
    """The peers installed here, and one line for each missing one."""
    peers, absent = [], []
    for python in PYTHONS:
        for kind in (["float"] if options.algo == "none" else ["fx", "lsq"]):
            try:
                peers.append(TorchPeer(options, python, kind))
            except (OSError, RuntimeError) as error:
                absent.append(f"torch of {PYTHONS[python]}, {kind}: not measured ({error})")
    if not options.no_gradus:
        peers.append(GradusPeer(options))
    return peers, absent


def measure(options, peers):
    for round_ in range(options.rounds):
        order = peers if round_ % 2 == 0 else peers[::-1]
        for peer in order:
            peer.take_turn(options)
    rows = [peer.row() for peer in peers]
    ours = next((peer for peer in peers if peer.python == "gradus"), None)
    for peer, row in zip(peers, rows):
        if ours is None or peer is ours:
            continue
        row["speed_ratio"] = statistics.median(a / b for a, b in zip(ours.rounds, peer.rounds))
        row["memory_ratio"] = ours.row()["peak_rss_bytes"] / row["peak_rss_bytes"]
    return rows


def print_table(options, rows, absent):
    print(f"{options.model}, {options.stem} stem, {options.image_size}x{options.image_size}x{CHANNELS},"
          f" batch {options.batch_size}, {options.threads} threads; {options.rounds} rounds of "
          f"{options.steps} steps, taking turns")
    print(f"{'':24}{'images/s':>10}{'range':>18}{'peak MiB':>10}{'gradus is':>12}{'memory':>9}")
    for row in rows:
        span = f"{row['images_per_second_min']:.1f} .. {row['images_per_second_max']:.1f}"
        line = (f"{row['name']:24}{row['images_per_second']:10.1f}{span:>18}"
                f"{row['peak_rss_bytes'] / 2**20:10.0f}")
        if "speed_ratio" in row:
            line += f"{row['speed_ratio']:11.2f}x{row['memory_ratio']:8.2f}x"
        print(line)
    for line in absent:
        print(line)


def main():
    options = arguments()
    if options.worker:
        return worker(options)
    if not options.no_gradus and not (ROOT / "bench").exists():
        print("bench_torch: ./bench is missing; run make, or give --no-gradus", file=sys.stderr)
        return 1
    peers, absent = open_peers(options)
    try:
        rows = measure(options, peers)
    except RuntimeError as error:
        print(f"bench_torch: {error}", file=sys.stderr)
        return 1
    finally:
        for peer in peers:
            peer.close()
    if options.json:
        print(json.dumps({"options": vars(options), "rows": rows, "absent": absent}))
    else:
        print_table(options, rows, absent)
    return 0


if __name__ == "__main__":
    sys.exit(main())
