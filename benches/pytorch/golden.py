"""How far 32-bit rounding alone takes PyTorch away from its own 64-bit results.

Recomputes the training of tests/fixtures/golden.json (ten SGD steps on one batch) in 64 bits,
which reproduces the file (to 1e-10 for the first five steps of every net; from then on plain20
amplifies even the rounding of 64 bits, to 3e-2 by the tenth), and in 32 bits in many ways that
are the same mathematics and differ in rounding only: memory layout, threads, oneDNN's
convolutions or PyTorch's own, the order of the images in the batch, mean and std rounded to 32
bits first, initial weights off by about one unit in the last place. Prints the distances |f32 −
f64| of the losses step by step and of the logits, and writes the largest ones. About 4 minutes of
one core for each net of 20 layers:

    OMP_WAIT_POLICY=passive golden.py --shared ../shared --out rounding.json [--nets NAME ...]

As a control, 64-bit arithmetic from weights off by such a unit too ("f64, weights ± 1 ulp"): what
it differs by cannot come from 32-bit arithmetic of any kind, only from how sensitive the training
is to its starting point.
"""

import argparse
import json
import statistics
import time
from contextlib import nullcontext
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch.nn import functional as F

from nets import MEAN, STD, ResNet, normalise, read_cifar

F32, F64 = torch.float32, torch.float64
NCHW, NHWC = torch.contiguous_format, torch.channels_last
PLAIN = {"layout": NCHW, "threads": 1, "onednn": True, "order": 0, "noise": 0, "rounded": False}
# golden.json's 64-bit numbers were computed with mean and std rounded to 32 bits.
TRUTH = {**PLAIN, "rounded": True}


def variants(slow=True):
    """Settings of equivalent 32-bit computations, by name; `slow`: also the one without oneDNN."""
    found = {
        "NCHW": {},
        "NHWC": {"layout": NHWC},
        "NCHW, 2 threads": {"threads": 2},
        "mean, std rounded": {"rounded": True},
    }
    if slow:
        found["no oneDNN"] = {"onednn": False}
    for seed in range(1, 5):
        layout = {"layout": NHWC if seed % 2 == 0 else NCHW}
        found[f"permuted {seed}"] = {"order": seed, **layout}
        found[f"weights ± 1 ulp {seed}"] = {"noise": seed, **layout}
    return {name: {**PLAIN, **change} for name, change in found.items()}


class Problem:
    """One net's initial weights, the batch and the test images of the golden numbers."""

    def __init__(self, shared, name, golden):
        self.n = golden["n"]
        self.shortcut = "none" if golden["kind"] == "plain" else golden["kind"]
        self.state = load_file(shared / f"reference/{name}-init.safetensors")
        (images, labels), (test, _) = read_cifar(shared / "data/cifar10-sample-binary.tar.gz")
        self.images, self.labels, self.test = images[:128], labels[:128], test[:16]

    def train(self, dtype, settings, steps=10, after=lambda step, net: None):
        """(losses before each step, eval logits before training, eval logits after it)."""
        torch.set_num_threads(settings["threads"])
        state = {name: value.clone() for name, value in self.state.items()}
        if settings["noise"]:
            generator = torch.Generator().manual_seed(settings["noise"])
            for name, value in state.items():
                if "conv" in name or name.startswith("fc"):
                    noise = torch.randn(value.shape, generator=generator, dtype=F64)
                    state[name] = (value.double() * (1 + 6e-8 * noise)).to(F32)
        net = ResNet(self.n, self.shortcut)
        net.load_state_dict(state, strict=True)
        net = net.to(dtype).to(memory_format=settings["layout"])
        mean, std = (torch.tensor(x).tolist() if settings["rounded"] else x for x in (MEAN, STD))
        images, test = (
            normalise(x, mean, std, dtype).contiguous(memory_format=settings["layout"])
            for x in (self.images, self.test)
        )
        labels = self.labels
        if settings["order"]:
            generator = torch.Generator().manual_seed(settings["order"])
            order = torch.randperm(len(labels), generator=generator)
            images, labels = images[order], labels[order]
        sgd = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-4)
        flags = nullcontext() if settings["onednn"] else torch.backends.mkldnn.flags(enabled=False)
        with flags:
            first = logits(net, test)
            losses = []
            for step in range(1, steps + 1):
                loss = F.cross_entropy(net(images), labels)
                sgd.zero_grad()
                loss.backward()
                sgd.step()
                losses.append(loss.item())
                after(step, net)
            return losses, first, logits(net, test)


def logits(net, images):
    net.eval()
    with torch.no_grad():
        out = net(images).double()
    net.train()
    return out


def distances(result, truth):
    losses = [abs(a - b) for a, b in zip(result[0], truth[0])]
    return losses, *[(a - b).abs().max().item() for a, b in zip(result[1:], truth[1:])]


def table(title, rows):
    print(f"  {title:22}" + "".join(f"{f'step {k}':>9}" for k in range(10)))
    for name, values in rows:
        print(f"  {name:22}" + "".join(f"{value:9.1e}" for value in values))


def spread(title, values, size):
    low, middle, high = min(values), statistics.median(values), max(values)
    print(f"  {title}: min {low:.1e}, median {middle:.1e}, max {high:.1e}; largest {size:.3g}")


def measure(problem, golden, slow):
    """Prints one net's distances and returns the largest."""
    begin = time.time()
    truth = problem.train(F64, TRUTH)
    tensor = lambda key: torch.tensor(golden[key], dtype=F64)
    first, last = tensor("eval_logits_init_f64"), tensor("eval_logits_f64")
    losses, first, last = distances((golden["losses_f64"], first, last), truth)
    print(f"  f64 against golden.json: losses within {max(losses):.1e}, logits within "
          f"{first:.1e} before and {last:.1e} after (the file rounds logits to 1e-7)", flush=True)

    found = {
        name: distances(problem.train(F32, settings), truth)
        for name, settings in variants(slow).items()
    }
    recorded = [abs(a - b) for a, b in zip(golden["losses_f32"], golden["losses_f64"])]
    moved = problem.train(F64, {**TRUTH, "noise": 1}, steps=6)
    moved, moved_first, _ = distances(moved, truth)
    table("|f32 − f64| of losses", [(name, losses) for name, (losses, _, _) in found.items()])
    every = [losses for losses, _, _ in found.values()]
    steps = list(zip(*every, recorded))
    rows = {
        "golden.json's f32": recorded,
        "min": [min(step) for step in steps],
        "median": [statistics.median(step) for step in steps],
        "max": [max(step) for step in steps],
        "f64, weights ± 1 ulp": moved,
    }
    table("", rows.items())
    recorded = (tensor("eval_logits_f32") - tensor("eval_logits_f64")).abs().max().item()
    logits_init = [first for _, first, _ in found.values()]
    logits_last = [last for _, _, last in found.values()] + [recorded]
    spread("logits before training", logits_init, truth[1].abs().max().item())
    spread("logits after ten steps", logits_last, truth[2].abs().max().item())
    print(f"  golden.json's f32 logits {recorded:.1e}; f64, weights ± 1 ulp: {moved_first:.1e} "
          f"before; {time.time() - begin:.0f} s", flush=True)
    digits = lambda value: float(f"{value:.4g}")
    return {
        "losses": [digits(value) for value in rows["max"]],
        "losses_median": [digits(value) for value in rows["median"]],
        "logits_init": digits(max(logits_init)),
        "logits": digits(max(logits_last)),
        "variants": len(steps[0]),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--shared", type=Path, default=Path("../shared"))
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--nets", nargs="*", help="names in golden.json; all of them by default")
    parser.add_argument("--slow", nargs="*", default=["resnet8-zeropad", "resnet20-zeropad"],
                        help="nets to compute without oneDNN too, ten times slower")
    options = parser.parse_args()
    goldens = json.loads((options.shared / "reference/golden.json").read_text())
    results = {}
    for name in options.nets or goldens:
        print(name, flush=True)
        problem = Problem(options.shared, name, goldens[name])
        results[name] = measure(problem, goldens[name], name in options.slow)
        options.out.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
