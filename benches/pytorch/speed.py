"""Images per second of training and evaluation in PyTorch, on random images.

What `cargo bench --bench train` runs beside fig6, once a round:

    speed.py --n 3 --batch 128 --steps 16 --threads 2 --layout nchw|channels-last|compiled [--device cuda]

A step is forward, cross-entropy, backward and SGD with momentum and weight decay, on images that
are in memory already. Prints one line of JSON: images/s of both, the largest resident size.
"""

import argparse
import json
import time

import torch
from torch.nn import functional as F

from nets import ResNet, peak_rss_bytes


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--n", type=int, default=3)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--steps", type=int, default=16)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--layout", choices=["nchw", "channels-last", "compiled"], default="nchw")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    device = torch.device(options.device)

    layout = torch.contiguous_format if options.layout == "nchw" else torch.channels_last
    net = ResNet(options.n, "zeropad").to(device, memory_format=layout)
    run = torch.compile(net) if options.layout == "compiled" else net
    sgd = torch.optim.SGD(net.parameters(), lr=1e-3, momentum=0.9, weight_decay=1e-4)
    images = torch.randn(options.batch, 3, 32, 32, device=device).contiguous(memory_format=layout)
    labels = torch.randint(10, (options.batch,), device=device)

    def train(count):
        for _ in range(count):
            loss = F.cross_entropy(run(images), labels)
            sgd.zero_grad()
            loss.backward()
            sgd.step()
        return loss.item()

    train(2)
    start = time.perf_counter()
    train(options.steps)
    trained = time.perf_counter() - start
    peak = peak_rss_bytes()

    net.eval()
    with torch.no_grad():
        run(images)
        start = time.perf_counter()
        for _ in range(options.steps):
            classes = run(images).argmax(1)
        classes[0].item()  # waits for a GPU
        evaluated = time.perf_counter() - start
    count = options.batch * options.steps
    line = {
        "train": count / trained,
        "evaluate": count / evaluated,
        "peak_bytes": peak,
        "classes": classes[:3].tolist(),
    }
    print(json.dumps(line))


if __name__ == "__main__":
    main()
