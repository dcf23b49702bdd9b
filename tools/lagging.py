"""A folder shown once more, as a machine on a network file system would see it: names, sizes and times may be seconds
old, what does not exist may stay so for seconds, and locks are known on this side only.

    lagging.py FOLDER MOUNT SECONDS
"""
import errno
import os
import sys

from fuse import FUSE, FuseOSError, Operations

STAT = ("st_atime", "st_ctime", "st_gid", "st_ino", "st_mode", "st_mtime", "st_nlink", "st_size", "st_uid")
STATVFS = ("f_bavail", "f_bfree", "f_blocks", "f_bsize", "f_favail", "f_ffree", "f_files", "f_flag", "f_frsize", "f_namemax")


class Lagging(Operations):
    def __init__(self, root):
        self.root = os.path.realpath(root)

    def __call__(self, op, path, *args):
        try:
            return super().__call__(op, self.root + path, *args)
        except OSError as error:
            raise FuseOSError(error.errno or errno.EIO)

    def getattr(self, path, fh=None):
        stat = os.lstat(path)
        return {key: getattr(stat, key) for key in STAT}

    access = lambda self, path, mode: 0
    readdir = lambda self, path, fh: [".", ".."] + os.listdir(path)
    readlink = lambda self, path: os.readlink(path)
    mkdir = lambda self, path, mode: os.mkdir(path, mode)
    rmdir = lambda self, path: os.rmdir(path)
    unlink = lambda self, path: os.unlink(path)
    symlink = lambda self, name, target: os.symlink(target, name)
    rename = lambda self, old, new: os.rename(old, self.root + new)
    link = lambda self, target, name: os.link(self.root + name, target)
    chmod = lambda self, path, mode: os.chmod(path, mode)
    chown = lambda self, path, uid, gid: os.lchown(path, uid, gid)

    def utimens(self, path, times=None):
        os.utime(path, times)

    def statfs(self, path):
        stat = os.statvfs(path)
        return {key: getattr(stat, key) for key in STATVFS}

    def open(self, path, flags):
        return os.open(path, flags & ~os.O_APPEND)

    def create(self, path, mode, fi=None):
        return os.open(path, os.O_RDWR | os.O_CREAT, mode)

    def read(self, path, size, offset, fh):
        return os.pread(fh, size, offset)

    def write(self, path, data, offset, fh):
        return os.pwrite(fh, data, offset)

    def truncate(self, path, length, fh=None):
        os.truncate(path, length)

    def flush(self, path, fh):
        return 0

    def fsync(self, path, datasync, fh):
        return os.fsync(fh)

    def release(self, path, fh):
        return os.close(fh)


folder, mount, seconds = sys.argv[1], sys.argv[2], float(sys.argv[3])
late = dict(attr_timeout=seconds, entry_timeout=seconds, negative_timeout=seconds)
FUSE(Lagging(folder), mount, foreground=False, allow_other=True, use_ino=True, **late)
