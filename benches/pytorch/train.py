"""Trains a net on CIFAR-10 images in PyTorch by fig6's recipe, for comparing errors and speed.

All training images of the archive; mean and population standard deviation computed from them;
batches of 128, the last of an epoch smaller; a new order each epoch; 4 pixels of zeros around the
normalised image, a random 32 × 32 part of that, mirrored with probability 1/2; SGD with momentum
0.9 and weight decay 1e-4 on all parameters; learning rate 0.1, divided by 10 at each milestone;
stops amid an epoch; Kaiming normal (fan-out) convolutions, PyTorch's default linear layer. The
random numbers are PyTorch's, not fig6's: runs agree in distribution, not one by one.

    train.py --data ../shared/data/cifar10-sample-binary.tar.gz --n 1 --shortcut zeropad --seed 0 \\
        --iterations 600 --milestones 300 450

Prints one line of JSON. `test_error`: percent of all test images, with the final weights;
`train_error`: percent of the augmented images of the last 100 iterations, as they were trained
on; `seconds`: from the first draw to the last evaluation, without reading the archive, and
`cpu_seconds`: the processor time of all threads in it, which says more on a busy machine.
"""

import argparse
import json
import time

import torch
from torch.nn import functional as F

from nets import SHORTCUTS, ResNet, normalise, peak_rss_bytes, read_cifar, statistics

PAD = 4
WINDOW = 100


def vary(images):
    """Random crops of the zero-padded images, every second one, at random, mirrored."""
    count = len(images)
    images = F.pad(images, (PAD, PAD, PAD, PAD))
    parts = images.unfold(2, 32, 1).unfold(3, 32, 1)  # a view: [image, channel, top, left, 32, 32]
    top, left = torch.randint(2 * PAD + 1, (2, count))
    images = parts[torch.arange(count), :, top, left]
    # Mirroring after the crop instead of before it: left is as often 8 − x as it is x.
    return torch.where(torch.rand(count, 1, 1, 1) < 0.5, images.flip(3), images)


def percent_wrong(net, images, labels, batch_size=128):
    net.eval()
    with torch.no_grad():
        wrong = sum(
            (net(x).argmax(1) != y).sum().item()
            for x, y in zip(images.split(batch_size), labels.split(batch_size))
        )
    return 100 * wrong / len(labels)


def train(options, images, labels, test, test_labels):
    """(test error, training error of the last iterations)"""
    torch.manual_seed(options.seed)
    layout = torch.channels_last if options.channels_last else torch.contiguous_format
    mean, std = statistics(images)
    net = ResNet(options.n, options.shortcut).to(memory_format=layout)
    sgd = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.MultiStepLR(sgd, options.milestones, gamma=0.1)
    batches = []
    seen = []  # of each iteration: wrong predictions, images
    for _ in range(options.iterations):
        if not batches:
            batches = list(torch.randperm(len(labels)).split(options.batch_size))[::-1]
        batch = batches.pop()
        x = vary(normalise(images[batch], mean, std)).contiguous(memory_format=layout)
        y = labels[batch]
        logits = net(x)
        loss = F.cross_entropy(logits, y)
        sgd.zero_grad()
        loss.backward()
        sgd.step()
        schedule.step()
        seen.append(((logits.detach().argmax(1) != y).sum().item(), len(y)))
    wrong, count = map(sum, zip(*seen[-WINDOW:]))
    test = normalise(test, mean, std).contiguous(memory_format=layout)
    return percent_wrong(net, test, test_labels), 100 * wrong / count


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", required=True, help="tar.gz of CIFAR-10's binary files")
    parser.add_argument("--n", type=int, default=1, help="blocks of a stage; 6n + 2 layers")
    parser.add_argument("--shortcut", choices=SHORTCUTS, default="zeropad")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--iterations", type=int, required=True)
    parser.add_argument("--milestones", type=int, nargs="*", default=[])
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--channels-last", action="store_true", help="faster on some machines")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    (images, labels), (test, test_labels) = read_cifar(options.data)
    begin, cpu = time.perf_counter(), time.process_time()
    test_error, train_error = train(options, images, labels, test, test_labels)
    line = {
        "seed": options.seed,
        "test_error": round(test_error, 4),
        "train_error": round(train_error, 4),
        "seconds": round(time.perf_counter() - begin, 2),
        "cpu_seconds": round(time.process_time() - cpu, 2),
        "peak_rss_bytes": peak_rss_bytes(),
    }
    print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
