"""The largest resident size of PyTorch while it trains a net on the CPU, on random images.

One net a process, since the number is the process's largest ever:

    memory.py --n 3 --steps 8        # ResNet-20
    memory.py --n 18 --steps 2       # ResNet-110

With --fig6 PROGRAM --data ARCHIVE it also trains the same net with fig6, on that archive's images,
its evaluation included, and gives both and the ratio.

Prints one line of JSON with the number of bytes (VmHWM), and how many of them the interpreter and
PyTorch's libraries take before there is a net.
"""

import argparse
import json
import subprocess
import tempfile
import time
from pathlib import Path

import torch
from torch.nn import functional as F

from nets import SHORTCUTS, ResNet, peak_rss_bytes


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--n", type=int, default=3, help="blocks of a stage; 6n + 2 layers")
    parser.add_argument("--shortcut", choices=SHORTCUTS, default="zeropad")
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--channels-last", action="store_true")
    parser.add_argument("--fig6", help="fig6's program, to be measured as well")
    parser.add_argument("--data", help="cifar10-sample-binary.tar.gz, for fig6")
    parser.add_argument("--device", default="flex", help="fig6's device")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    before = peak_rss_bytes()

    layout = torch.channels_last if options.channels_last else torch.contiguous_format
    net = ResNet(options.n, options.shortcut).to(memory_format=layout)
    sgd = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-4)
    for _ in range(options.steps):
        images = torch.randn(options.batch_size, 3, 32, 32).contiguous(memory_format=layout)
        labels = torch.randint(10, (options.batch_size,))
        loss = F.cross_entropy(net(images), labels)
        sgd.zero_grad()
        loss.backward()
        sgd.step()
    line = {
        "layers": 6 * options.n + 2,
        "batch_size": options.batch_size,
        "steps": options.steps,
        "peak_rss_bytes": peak_rss_bytes(),
        "before_the_net": before,
    }
    if options.fig6:
        line["fig6_peak_rss_bytes"] = fig6(options)
        line["ratio"] = round(line["fig6_peak_rss_bytes"] / line["peak_rss_bytes"], 2)
    print(json.dumps(line))


def fig6(options):
    """The largest resident size of fig6 for the same training."""
    with tempfile.TemporaryDirectory() as folder:
        command = [options.fig6, "train", "--exp-name", "run", "--exp-dir", folder]
        command += ["--n", str(options.n), "--skip-connection", options.shortcut]
        command += ["--iterations", str(options.steps), "--batch-size", str(options.batch_size)]
        command += ["--data-dir", options.data, "--device", options.device, "--quiet"]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        peak = 0
        # Not the usage that the kernel reports at the end: it counts this process's size when the
        # other one was forked off.
        while process.poll() is None:
            status = Path(f"/proc/{process.pid}/status").read_text()
            sizes = [line for line in status.splitlines() if line.startswith("VmHWM")]
            peak = max([peak, *(int(size.split()[1]) * 1024 for size in sizes)])
            time.sleep(0.02)
        if process.returncode:
            raise SystemExit(f"fig6 ended with {process.returncode}")
    return peak


if __name__ == "__main__":
    main()
