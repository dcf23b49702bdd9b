"""Trains ResNet-8 with fig6 and with PyTorch, the same recipe and several seeds each, and compares.

Both train on all 4,000 images of the lossless sample for 200 iterations of 128 images, rate 0.1
divided by 10 after 100 and 150, and test on its 1,000 test images. A seed means nothing across the
two programs: what is compared is the two distributions of final test errors.

    spread.py --fig6 target/release/fig6 --data ../shared/data/cifar10-sample-binary.tar.gz

Takes some minutes a training on two cores. Prints a line a training, both means with their sample
standard deviations, and Welch's t; ends with 1 if the means are more than four standard errors apart.
"""

import argparse
import json
import math
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

ITERATIONS = 200


def fig6(options, seed):
    """Final test error of one training by fig6, in percent."""
    with tempfile.TemporaryDirectory() as folder:
        command = [options.fig6, "train", "--exp-name", "run", "--exp-dir", folder, "--n", "1"]
        command += ["--skip-connection", "zeropad", "--iterations", str(ITERATIONS)]
        command += ["--evaluate-every", "100", "--validation", "0", "--seed", str(seed)]
        command += ["--data-dir", options.data, "--device", options.device, "--json"]
        last = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        done = json.loads(last.splitlines()[-1])
        return done["evaluation"]["test_error"], done["seconds"]


def pytorch(options, seed):
    """The same by PyTorch."""
    command = [sys.executable, str(Path(__file__).with_name("train.py")), "--data", options.data]
    command += ["--n", "1", "--shortcut", "zeropad", "--iterations", str(ITERATIONS)]
    command += ["--milestones", str(ITERATIONS // 2), str(ITERATIONS * 3 // 4)]
    command += ["--seed", str(seed), "--threads", str(options.threads)]
    done = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return done["test_error"], done["seconds"]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--fig6", default="target/release/fig6")
    parser.add_argument("--data", required=True, help="cifar10-sample-binary.tar.gz")
    parser.add_argument("--device", default="flex")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2, help="PyTorch's threads")
    parser.add_argument("--only", choices=["fig6", "pytorch"])
    options = parser.parse_args()

    errors = {}
    for name, train in (("fig6", fig6), ("pytorch", pytorch)):
        if options.only not in (None, name):
            continue
        errors[name] = []
        for seed in range(options.seeds):
            error, seconds = train(options, seed)
            errors[name].append(error)
            print(f"{name} seed {seed}: test error {error:.1f} %, {seconds:.0f} s", flush=True)
    for name, sample in errors.items():
        mean, std = statistics.mean(sample), statistics.stdev(sample)
        print(f"{name}: {mean:.2f} ± {std:.2f} % over {len(sample)} seeds")
    if len(errors) == 2:
        ours, theirs = errors.values()
        variance = sum(statistics.variance(sample) / len(sample) for sample in (ours, theirs))
        t = (statistics.mean(ours) - statistics.mean(theirs)) / math.sqrt(variance)
        print(f"difference of the means: {t:+.1f} standard errors")
        sys.exit(abs(t) > 4)


if __name__ == "__main__":
    main()
