"""Batch normalisation's running statistics as PyTorch computes them, for a test to compare with.

Trains ResNet-8 from its golden initial weights (see golden.py: same batch, learning rate 0.1,
momentum 0.9, weight decay 1e-4) and writes running_mean and running_var of every layer, computed
in 64 bits, after 1 and after 4 steps, with ten significant digits; and, as `rounding`, how far
equivalent 32-bit computations are from them: the largest distance within a tensor, divided by the
tensor's largest value, over all tensors and variants.

    running.py --shared ../shared --out running.json
"""

import argparse
import json
from pathlib import Path

from golden import F32, F64, TRUTH, Problem, variants

NET = "resnet8-zeropad"
STEPS = (1, 4)


def running(problem, dtype, settings):
    """By step and name: the running statistics after that step."""
    found = {}

    def keep(step, net):
        if step in STEPS:
            found[step] = {
                name: value.double().clone()
                for name, value in net.state_dict().items()
                if name.endswith(("running_mean", "running_var"))
            }

    problem.train(dtype, settings, steps=max(STEPS), after=keep)
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--shared", type=Path, default=Path("../shared"))
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    golden = json.loads((options.shared / "reference/golden.json").read_text())[NET]
    problem = Problem(options.shared, NET, golden)

    truth = running(problem, F64, TRUTH)
    rounding = {step: 0.0 for step in STEPS}
    for variant, settings in variants(slow=False).items():
        found = running(problem, F32, settings)
        for step in STEPS:
            off, name = max(
                ((found[step][name] - value).abs().max().item() / value.abs().max().item(), name)
                for name, value in truth[step].items()
            )
            print(f"{variant}, after step {step}: off by {off:.1e}, most in {name}", flush=True)
            rounding[step] = max(rounding[step], off)
    digits = lambda value: float(f"{value:.10g}")
    steps = {
        str(step): {name: [digits(x) for x in value.tolist()] for name, value in tensors.items()}
        for step, tensors in truth.items()
    }
    rounding = {str(step): float(f"{off:.3g}") for step, off in rounding.items()}
    options.out.write_text(json.dumps({"steps": steps, "rounding": rounding}) + "\n")
    print(f"{options.out}: {options.out.stat().st_size} bytes; rounding {rounding}")


if __name__ == "__main__":
    main()
