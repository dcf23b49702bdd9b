"""The networks of He et al. 2015, section 4.2, in PyTorch, and a reader of CIFAR-10's binary files.

What the other scripts here have in common. No program of its own; needs torch and numpy.

    from nets import ResNet, read_cifar, normalise
    net = ResNet(n=3, shortcut="zeropad")           # 20 layers

Nets have 6n + 2 layers. `names` chooses what the modules are called, and so the keys of the
state dict: fig6's own names (skip_connection.conv/bn, fc), torchvision's (downsample.0/1, fc) or
those of a widely used CIFAR code (shortcut.0/1, linear).
"""

import tarfile

import numpy
import torch
from torch import nn
from torch.nn import functional as F

SHORTCUTS = ["none", "zeropad", "zeropad-both-sides", "zeropad-maxpool", "conv1x1-proj"]

# Per naming scheme: the learned shortcut's module and the fully connected layer.
NAMES = {
    "fig6": ("skip_connection", "fc"),
    "torchvision": ("downsample", "fc"),
    "akamaster": ("shortcut", "linear"),
}

# The statistics that tests/fixtures/golden.json was computed with.
MEAN = (0.4914, 0.4822, 0.4465)
STD = (0.247, 0.243, 0.261)


class Projection(nn.Module):
    """The learned shortcut under fig6's names; elsewhere it is a plain nn.Sequential."""

    def __init__(self, channels, filters):
        super().__init__()
        self.conv = nn.Conv2d(channels, filters, 1, stride=2, bias=False)
        self.bn = nn.BatchNorm2d(filters)

    def forward(self, x):
        return self.bn(self.conv(x))


class Block(nn.Module):
    """Two 3 × 3 convolutions and the shortcut over them."""

    def __init__(self, channels, filters, shortcut, names):
        super().__init__()
        stride = filters // channels
        self.conv1 = nn.Conv2d(channels, filters, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(filters)
        self.conv2 = nn.Conv2d(filters, filters, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(filters)
        self.kind = shortcut
        self.added = filters - channels
        self.projection = None  # the name of the learned shortcut's module
        if shortcut == "conv1x1-proj" and self.added:
            projection = Projection(channels, filters)
            if names != "fig6":
                projection = nn.Sequential(projection.conv, projection.bn)
            self.projection = NAMES[names][0]
            self.add_module(self.projection, projection)

    def skip(self, x):
        if self.projection:
            return getattr(self, self.projection)(x)
        if not self.added:
            return x
        x = F.max_pool2d(x, 2) if self.kind == "zeropad-maxpool" else x[:, :, ::2, ::2]
        before = self.added // 2 if self.kind == "zeropad-both-sides" else 0
        return F.pad(x, (0, 0, 0, 0, before, self.added - before))

    def forward(self, x):
        y = F.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        return F.relu(y) if self.kind == "none" else F.relu(y + self.skip(x))


class ResNet(nn.Module):
    """Normalised images [batch, 3, 32, 32] to logits [batch, 10]."""

    def __init__(self, n, shortcut, names="fig6"):
        super().__init__()
        assert n >= 1 and shortcut in SHORTCUTS
        self.conv1 = nn.Conv2d(3, 16, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        channels = 16
        for stage, filters in enumerate([16, 32, 64], start=1):
            blocks = []
            for _ in range(n):
                blocks.append(Block(channels, filters, shortcut, names))
                channels = filters
            self.add_module(f"layer{stage}", nn.Sequential(*blocks))
        self.last = NAMES[names][1]
        self.add_module(self.last, nn.Linear(64, 10))
        for module in self.modules():  # the linear layer keeps PyTorch's default
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x):
        x = F.relu(self.bn1(self.conv1(x)))
        x = self.layer3(self.layer2(self.layer1(x)))
        return getattr(self, self.last)(x.mean((2, 3)))


def read_cifar(path):
    """(images, labels) of the training files, and of the test file: uint8 [n, 3, 32, 32], int64."""
    with tarfile.open(path) as archive:
        files = {
            member.name.rsplit("/", 1)[-1]: archive.extractfile(member).read()
            for member in archive
            if member.name.endswith(".bin")
        }

    def records(names):
        rows = numpy.frombuffer(b"".join(files[name] for name in names), numpy.uint8)
        rows = rows.reshape(-1, 3073)
        images = torch.from_numpy(rows[:, 1:].copy()).reshape(-1, 3, 32, 32)
        return images, torch.from_numpy(rows[:, 0].astype(numpy.int64))

    return records(sorted(name for name in files if name.startswith("data_batch"))), records(
        ["test_batch.bin"]
    )


def statistics(images):
    """Mean and population standard deviation of each channel, of pixels in [0, 1]."""
    # From counts of the 256 values: exact, and without the images in 64 bits.
    values = torch.arange(256, dtype=torch.float64) / 255
    mean, std = [], []
    for channel in range(3):
        counts = images[:, channel].flatten().bincount(minlength=256).double()
        mean.append((counts @ values / counts.sum()).item())
        std.append((counts @ (values - mean[-1]) ** 2 / counts.sum()).sqrt().item())
    return mean, std


def normalise(images, mean=MEAN, std=STD, dtype=torch.float32):
    """uint8 images to (x / 255 − mean) / std, computed in 64 bits and rounded to `dtype`."""
    # By a table of the 256 values a channel: exact and cheap.
    values = torch.arange(256, dtype=torch.float64) / 255
    planes = [
        ((values - mean[channel]) / std[channel]).to(dtype)[images[:, channel].int()]
        for channel in range(3)
    ]
    return torch.stack(planes, 1)


def peak_rss_bytes():
    """The largest resident size this process has had."""
    with open("/proc/self/status") as status:
        line = next(line for line in status if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024
