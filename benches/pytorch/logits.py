"""Loads a state dict into a PyTorch net, as others would, and prints what it says of test images.

The file (.safetensors, or .pt/.pth/.th) is loaded with `load_state_dict(strict=True)` into a net
whose modules bear the file's names: all keys must be there, none may be left over, all shapes
must fit. n and, unless given, names and shortcut are deduced from the keys.

    logits.py FILE --data ../shared/data/cifar10-sample-binary.tar.gz [--images 16]
        [--names fig6|torchvision|akamaster] [--shortcut S] [--mean R G B --std R G B]

`usual` is another word for torchvision's names. Files with learned shortcuts differ by name;
without them fig6's and torchvision's names are the same. Weights do not tell the parameterless
shortcuts apart: say which one it is, or zeropad is taken (zeropad-both-sides with akamaster's
names). Mean and std are those of golden.json unless given.

Prints one line of JSON: names, n, shortcut, logits (one row an image), labels.
"""

import argparse
import json

import torch
from safetensors.torch import load_file

from nets import MEAN, NAMES, SHORTCUTS, STD, ResNet, normalise, read_cifar


def load(path):
    """A file's tensors by name, out of the wrappings that checkpoints come in."""
    if str(path).endswith(".safetensors"):
        state = load_file(path)
    else:
        state = torch.load(path, map_location="cpu", weights_only=True)
    for wrapping in ("state_dict", "model"):
        if isinstance(state.get(wrapping), dict):
            state = state[wrapping]
    # Trained under nn.DataParallel.
    return {name.removeprefix("module."): value for name, value in state.items()}


def describe(state):
    """(names, n, shortcut), as far as the keys tell."""
    blocks = [name.split(".")[1] for name in state if name.startswith("layer1.")]
    if not blocks:
        raise SystemExit("no layer1.* in the file: not a net of this family")
    n = 1 + max(map(int, blocks))
    projected = [
        names
        for names, (projection, last) in NAMES.items()
        if any(f".{projection}." in name for name in state) and f"{last}.weight" in state
    ]
    if projected:
        return projected[0], n, "conv1x1-proj"
    if "linear.weight" in state:
        return "akamaster", n, "zeropad-both-sides"
    return "fig6", n, "zeropad"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("file")
    parser.add_argument("--data", required=True, help="tar.gz of CIFAR-10's binary files")
    parser.add_argument("--images", type=int, default=16, help="how many test images")
    parser.add_argument("--names", choices=[*NAMES, "usual"])
    parser.add_argument("--shortcut", choices=SHORTCUTS)
    parser.add_argument("--mean", type=float, nargs=3, default=MEAN)
    parser.add_argument("--std", type=float, nargs=3, default=STD)
    parser.add_argument("--f64", action="store_true", help="compute in 64 bits")
    options = parser.parse_args()

    state = load(options.file)
    names, n, shortcut = describe(state)
    names = {"usual": "torchvision", None: names}.get(options.names, options.names)
    shortcut = options.shortcut or shortcut
    net = ResNet(n, shortcut, names)
    net.load_state_dict(state, strict=True)
    dtype = torch.float64 if options.f64 else torch.float32
    net = net.to(dtype).eval()

    _, (images, labels) = read_cifar(options.data)
    images = normalise(images[: options.images], options.mean, options.std, dtype)
    with torch.no_grad():
        logits = net(images)
    line = {
        "names": names,
        "n": n,
        "shortcut": shortcut,
        "logits": logits.tolist(),
        "labels": labels[: options.images].tolist(),
    }
    print(json.dumps(line))


if __name__ == "__main__":
    main()
