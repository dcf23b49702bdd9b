"""What PyTorch says of the layers' responses (Fig. 7), in 64 bits and in 32.

Writes tests/fixtures/responses.json: for each net of the fixtures, the standard deviation of every 3 × 3
layer's response (after batch normalisation, before ReLU and addition) to 24 made-up images, over images,
channels and pixels. The nets have their initial weights; so that batch normalisation does something,
its tensors are a formula's (`disturb`), the same as in crates/nn/src/responses/tests.rs.

    responses.py --out tests/fixtures/responses.json

With a file of weights that fig6 has trained, and the images that it was tested on, prints the same for
these as one line of JSON (`fig6 export` gives the weights):

    responses.py WEIGHTS.safetensors --data DATA.tar.gz --mean R G B --std R G B
"""

import argparse
import json
from pathlib import Path

import numpy
import torch
from safetensors.torch import load_file

from logits import describe, load
from nets import MEAN, STD, ResNet, normalise, read_cifar

FIXTURES = Path(__file__).resolve().parent.parent.parent / "tests" / "fixtures"
NETS = {
    "resnet8-zeropad": (1, "zeropad"),
    "plain20": (3, "none"),
    "resnet20-zeropad": (3, "zeropad"),
    "resnet20-zeropad-maxpool": (3, "zeropad-maxpool"),
    "resnet20-conv1x1-proj": (3, "conv1x1-proj"),
}


def images(count=24):
    """Made-up images, bytes [count, 3, 32, 32]."""
    i, c, y, x = numpy.ogrid[:count, :3, :32, :32]
    return ((31 * x + 17 * y + 101 * c + 53 * i + x * y * (i + 1)) % 256).astype(numpy.uint8)


def disturb(state):
    """Values for the tensors of batch normalisation, by channel."""
    for name, tensor in state.items():
        channel = torch.arange(tensor.numel(), dtype=torch.float64)
        if name.endswith("running_mean"):
            tensor.copy_(0.1 * torch.sin(channel))
        elif name.endswith("running_var"):
            tensor.copy_(1 + 0.5 * torch.cos(channel))
        elif name.split(".")[-2].startswith("bn") and name.endswith("weight"):
            tensor.copy_(1 + 0.3 * torch.sin(2 * channel))
        elif name.split(".")[-2].startswith("bn") and name.endswith("bias"):
            tensor.copy_(0.2 * torch.cos(3 * channel))


def responses(net, batches):
    """The standard deviation of each 3 × 3 layer's response, first layer first."""
    norms = [net.bn1]
    for layer in (net.layer1, net.layer2, net.layer3):
        for block in layer:
            norms += [block.bn1, block.bn2]
    sums = [[0, 0.0, 0.0] for _ in norms]

    def hook(index):
        def add(_module, _inputs, output):
            output = output.double()
            sums[index][0] += output.numel()
            sums[index][1] += output.sum().item()
            sums[index][2] += output.square().sum().item()

        return add

    hooks = [norm.register_forward_hook(hook(index)) for index, norm in enumerate(norms)]
    with torch.no_grad():
        for batch in batches:
            net(batch)
    for handle in hooks:
        handle.remove()
    return [(squares / n - (total / n) ** 2) ** 0.5 for n, total, squares in sums]


def fixtures():
    found = {}
    for name, (n, shortcut) in NETS.items():
        net = ResNet(n, shortcut)
        state = load_file(FIXTURES / f"{name}-init.safetensors")
        net.load_state_dict(state, strict=False)
        own = net.state_dict()
        disturb({key: value for key, value in own.items() if "num_batches" not in key})
        exact, rounded = [
            responses(net.to(dtype).eval(), [normalise(torch.from_numpy(images()), MEAN, STD, dtype)])
            for dtype in (torch.float64, torch.float32)
        ]
        distance = max(abs(a - b) / b for a, b in zip(rounded, exact))
        found[name] = {"n": n, "shortcut": shortcut, "std_f64": exact, "distance_f32": distance}
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("file", nargs="?")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--data")
    parser.add_argument("--shortcut")
    parser.add_argument("--mean", type=float, nargs=3, default=MEAN)
    parser.add_argument("--std", type=float, nargs=3, default=STD)
    options = parser.parse_args()
    if options.file is None:
        options.out.write_text(json.dumps(fixtures(), indent=1) + "\n")
        return
    state = load(options.file)
    names, n, shortcut = describe(state)
    net = ResNet(n, options.shortcut or shortcut, names)
    net.load_state_dict(state, strict=True)
    _, (test, _) = read_cifar(options.data)
    batches = (
        normalise(test[start : start + 200], options.mean, options.std, torch.float64)
        for start in range(0, len(test), 200)
    )
    print(json.dumps(responses(net.double().eval(), batches)))


if __name__ == "__main__":
    main()
