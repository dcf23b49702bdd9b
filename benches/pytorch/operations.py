"""Operations that PyTorch's eager mode asks of its device in a step of training.

    operations.py --n 3 [--list]

Counted on the CPU with PyTorch's profiler: operations that call no other one, without views and
allocations. Each is at least one kernel on a GPU, a convolution's backward pass two. SGD is as on a GPU by default: over all tensors at once
(`foreach`).
"""

import argparse
from collections import Counter

import torch
from torch.nn import functional as F
from torch.profiler import ProfilerActivity, profile

from nets import ResNet

# Nothing is computed for these.
FREE = {
    "alias",
    "as_strided",
    "as_strided_",
    "detach",
    "detach_",
    "empty",
    "empty_like",
    "empty_strided",
    "expand",
    "item",
    "lift_fresh",
    "narrow",
    "permute",
    "reshape",
    "resize_",
    "resolve_conj",
    "resolve_neg",
    "result_type",
    "select",
    "slice",
    "squeeze",
    "t",
    "to",
    "transpose",
    "unsqueeze",
    "view",
    "_reshape_alias",
    "_unsafe_view",
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--n", type=int, default=3)
    parser.add_argument("--list", action="store_true")
    options = parser.parse_args()
    net = ResNet(options.n, "zeropad")
    sgd = torch.optim.SGD(net.parameters(), lr=1e-3, momentum=0.9, weight_decay=1e-4, foreach=True)
    images = torch.randn(8, 3, 32, 32)
    labels = torch.randint(10, (8,))

    def step():
        loss = F.cross_entropy(net(images), labels)
        sgd.zero_grad()
        loss.backward()
        sgd.step()

    step()
    step()
    with profile(activities=[ProfilerActivity.CPU]) as profiled:
        step()
    counts = Counter()
    for event in profiled.events():
        children = [child for child in event.cpu_children if child.name.startswith("aten::")]
        name = event.name.removeprefix("aten::")
        if not event.name.startswith("aten::") or name in FREE or any(above(event)):
            continue
        if is_whole(name) or not costly(children):
            counts[name] += 1
    # The first convolution's input needs no gradient.
    counts["convolution_backward"] = 2 * counts["convolution_backward"] - 1
    print(f"ResNet-{6 * options.n + 2}: {sum(counts.values())} operations")
    if options.list:
        for name, count in counts.most_common():
            print(f"{count:6} {name}")


def is_whole(name):
    """Whether an operation counts once, whatever it calls on a CPU."""
    return name.startswith("_foreach") or name in ("convolution_backward", "mkldnn_convolution")


def above(event):
    """Whether what calls the event, and what calls that, is counted as a whole."""
    caller = event.cpu_parent
    while caller is not None:
        yield is_whole(caller.name.removeprefix("aten::"))
        caller = caller.cpu_parent


def costly(events):
    """Those that compute something, or call what does."""
    names = ((event, event.name.removeprefix("aten::")) for event in events)
    return [event for event, name in names if name not in FREE or costly(event.cpu_children)]


if __name__ == "__main__":
    main()
