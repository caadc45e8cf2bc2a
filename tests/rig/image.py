"""The guest's parts: kernel, udev and QEMU from Debian's packages, unpacked privately.

Nothing is installed and nothing is removed: packages are downloaded and unpacked below the cache
folder. QEMU's package conflicts with qemu-utils of backports, and apt would remove that.
"""

import contextlib
import fcntl
import lzma
import os
import re
import shutil
import stat
import subprocess
from pathlib import Path

# What the tests load, each with what it depends on.
MODULES = """evdev uinput uhid hid-generic usbhid usbserial ftdi_sio cdc-acm xhci-pci dummy_hcd
usb_f_hid usb_f_acm libcomposite bochs virtio_pci virtio-gpu""".split()
# Debian's own rules that come before ours or that ours build on.
RULES = """50-udev-default 60-evdev 60-input-id 60-persistent-input 60-serial 80-drivers""".split()
# As far as the package's unit orders itself by them.
TARGETS = ("sysinit.target", "basic.target", "shutdown.target")
USERS = "root:x:0:0::/root:/bin/sh\noplati:x:990:990::/:/bin/sh\ntiller:x:991:991::/:/bin/sh\n"
GROUPS = """root:x:0:
tty:x:5:
disk:x:6:
lp:x:7:
kmem:x:15:
dialout:x:20:oplati
cdrom:x:24:
tape:x:26:
audio:x:29:
video:x:44:oplati
render:x:105:
input:x:106:
kvm:x:108:
sgx:x:109:
oplati:x:990:oplati
oplati-till:x:991:tiller,oplati
"""


class RigError(Exception):
    """What cannot be prepared, and why."""


def tool(*command, **options):
    """Runs a program and gives its output; its failure is reported with its output."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, **options)
    except FileNotFoundError as error:
        raise RigError(f"{command[0]} is needed: {error}") from error
    except subprocess.CalledProcessError as error:
        raise RigError(f"{' '.join(map(str, command))}: {error.stderr.strip()}") from error
    return done.stdout


class Parts:
    """Everything that is the same for each run, prepared once in a cache folder."""

    def __init__(self, cache):
        self.cache = Path(cache).resolve()
        self.cache.mkdir(parents=True, exist_ok=True)
        self.tree = self.cache / "tree"
        self.vmlinux = self.cache / "vmlinux"
        self.base = self.cache / "base.cpio"
        self.systemd = self.cache / "systemd.cpio"
        with open(self.cache / "lock", "w", encoding="ascii") as lock:
            # Two runs at once would unpack over one another.
            fcntl.flock(lock, fcntl.LOCK_EX)
            self._prepare()

    def _prepare(self):
        kernel = self._kernel_package()
        names = sorted({kernel, "busybox-static", "udev", "kmod", "libkmod2", "libudev1",
                        "systemd", "libsystemd-shared"}
                       | self._missing("udev", "kmod", "systemd")
                       | ({"qemu-system-x86"} | self._missing("qemu-system-x86")))
        stamp = self.cache / "stamp"
        versions = re.findall(r"Candidate: (\S+)", tool("apt-cache", "policy", *names))
        wanted = f"{names} {versions}\n" + Path(__file__).read_text("utf-8")
        if stamp.exists() and stamp.read_text("utf-8") == wanted:
            return
        stamp.unlink(missing_ok=True)
        shutil.rmtree(self.tree, ignore_errors=True)
        debs = self.cache / "debs"
        debs.mkdir(exist_ok=True)
        self.tree.mkdir()
        tool("apt-get", "download", "-q", *names, cwd=debs)
        for deb in sorted(debs.glob("*.deb")):
            tool("dpkg", "-x", deb, self.tree)
            deb.unlink()
        self.version = next((self.tree / "lib/modules").iterdir()).name
        tool(self._depmod(), "-b", self.tree, self.version, env=self._libraries())
        self.vmlinux.write_bytes(decompressed(next((self.tree / "boot").glob("vmlinuz-*")).read_bytes()))
        self.base.write_bytes(self._base())
        self.systemd.write_bytes(self._systemd())
        stamp.write_text(wanted, "utf-8")

    def _kernel_package(self):
        found = re.search(r"Depends: (linux-image-\S+)", tool("apt-cache", "depends", "linux-image-amd64"))
        if not found:
            raise RigError("apt knows no linux-image-amd64; run apt-get update")
        return found.group(1)

    def _missing(self, *names):
        """What apt would install for these; the removals that it would do beside are not done."""
        plan = tool("apt-get", "install", "--simulate", "--no-install-recommends", *names)
        return set(re.findall(r"^Inst (\S+)", plan, re.MULTILINE))

    def _depmod(self):
        link = self.cache / "depmod"
        link.unlink(missing_ok=True)
        link.symlink_to(self.tree / "bin/kmod")
        return link

    def _libraries(self):
        folders = [self.tree / folder for folder in
                   ("usr/lib/x86_64-linux-gnu", "lib/x86_64-linux-gnu", "lib/systemd", "usr/lib/systemd",
                    "usr/lib/x86_64-linux-gnu/systemd", "lib/x86_64-linux-gnu/systemd")]
        return {**os.environ, "LD_LIBRARY_PATH": ":".join(map(str, folders))}

    def qemu(self):
        """The command and the environment that it needs."""
        share, libraries = self.tree / "usr/share", self._libraries()
        libraries["QEMU_MODULE_DIR"] = str(self.tree / "usr/lib/x86_64-linux-gnu/qemu")
        command = [self.tree / "usr/bin/qemu-system-x86_64", "-L", share / "qemu", "-L", share / "seabios"]
        return [str(part) for part in command], libraries

    def _modules(self):
        """The modules' files with all that they depend on, and the tables of modprobe."""
        folder = next((self.tree / "lib/modules").iterdir())
        wanted = {name.replace("-", "_") for name in MODULES}
        files = set()
        for line in (folder / "modules.dep").read_text("ascii").splitlines():
            path, needs = line.split(":")
            if Path(path).stem.replace("-", "_") in wanted:
                files.update([path, *needs.split()])
                wanted.discard(Path(path).stem.replace("-", "_"))
        if wanted:
            raise RigError(f"the kernel has no {' '.join(sorted(wanted))}")
        tables = [name.name for name in folder.glob("modules.*")]
        for path in sorted(files) + tables:
            yield f"lib/modules/{folder.name}/{path}", folder / path

    def _base(self):
        archive = Archive()
        for folder in ("dev", "proc", "sys", "run", "tmp", "root", "sbin", "var"):
            archive.folder(folder)
        archive.node("dev/console", 5, 1, 0o600)
        archive.node("dev/null", 1, 3, 0o666)
        archive.text("etc/passwd", USERS)
        archive.text("etc/group", GROUPS)
        archive.file("bin/busybox", self._find("busybox"))
        archive.link("bin/sh", "busybox")
        for path, source in self._modules():
            archive.file(path, source)
        rules = next(path for path in (self.tree / "lib/udev/rules.d", self.tree / "usr/lib/udev/rules.d") if path.is_dir())
        for name in RULES:
            archive.file(f"lib/udev/rules.d/{name}.rules", rules / f"{name}.rules")
        for name in ("udevadm", "kmod"):
            self.program(archive, f"bin/{name}", self._find(name))
        archive.link("bin/modprobe", "kmod")
        archive.link("lib/systemd/systemd-udevd", "/bin/udevadm")
        return archive.finished()

    def _systemd(self):
        """What makes systemd the guest's first process, for the package's unit."""
        archive = Archive()
        archive.link("init", "/lib/systemd/systemd")
        archive.text("etc/machine-id", "uninitialized\n")
        archive.link("var/run", "/run")
        for name in TARGETS:
            archive.text(f"lib/systemd/system/{name}", f"[Unit]\nDescription={name}\nDefaultDependencies=no\n")
        units = next(path for path in (self.tree / "lib/systemd/system", self.tree / "usr/lib/systemd/system") if path.is_dir())
        archive.file("lib/systemd/system/modprobe@.service", units / "modprobe@.service")
        archive.link("sbin/modprobe", "/bin/kmod")
        archive.link("usr/bin/oplati", "/bin/oplati")
        for path, name in (("lib/systemd/systemd", "systemd"), ("bin/systemctl", "systemctl")):
            self.program(archive, path, self._find(name))
        return archive.finished()

    def _find(self, name):
        for folder in ("bin", "usr/bin", "sbin", "usr/sbin", "lib/systemd", "usr/lib/systemd"):
            found = self.tree / folder / name
            # A link's absolute target would be this machine's.
            if found.is_file() and not found.is_symlink():
                return found
        raise RigError(f"the packages have no {name}")

    def program(self, archive, path, source):
        """An ordinary program with the libraries that it is linked to."""
        archive.file(path, source, 0o755)
        listed = tool("ldd", source, env=self._libraries())
        for library in re.findall(r"(/\S+) \(0x", listed):
            where = library
            if library.startswith(str(self.tree)):
                where = "/lib/x86_64-linux-gnu/" + Path(library).name
            archive.file(where.lstrip("/"), Path(library).resolve(), 0o755)

    def overlay(self, programs, files, scratch):
        """A second archive for what changes: programs and files, by their places in the guest."""
        archive = Archive()
        for path, source in programs.items():
            # Without what a debugger needs: the guest keeps them in memory.
            lean = scratch / Path(path).name
            tool("strip", "-o", lean, source)
            self.program(archive, path, lean)
        for path, content in files.items():
            mode = 0o755 if path == "init" else 0o644
            archive.text(path, content, mode)
        return archive.finished()


class Archive:
    """An initramfs in the `newc` format (kernel, Documentation/driver-api/early-userspace)."""

    def __init__(self):
        self.parts = []
        self.seen = set()

    def _entry(self, path, mode, data=b"", device=(0, 0)):
        if path in self.seen:
            return
        self.seen.add(path)
        parent = str(Path(path).parent)
        if parent != "." and parent not in self.seen:
            self.folder(parent)
        name = path.encode() + b"\0"
        numbers = [len(self.parts) + 1, mode, 0, 0, 1, 0, len(data), 0, 0, *device, len(name), 0]
        head = b"070701" + b"".join(b"%08X" % number for number in numbers) + name
        head += b"\0" * (-len(head) % 4)
        self.parts.append(head + data + b"\0" * (-len(data) % 4))

    def folder(self, path):
        self._entry(path, stat.S_IFDIR | 0o755)

    def node(self, path, major, minor, mode):
        self._entry(path, stat.S_IFCHR | mode, device=(major, minor))

    def link(self, path, target):
        self._entry(path, stat.S_IFLNK | 0o777, target.encode())

    def text(self, path, content, mode=0o644):
        self._entry(path, stat.S_IFREG | mode, content.encode())

    def file(self, path, source, mode=None):
        mode = mode or stat.S_IMODE(source.stat().st_mode)
        self._entry(path, stat.S_IFREG | mode, source.read_bytes())

    def finished(self):
        self._entry("TRAILER!!!", 0)
        data = b"".join(self.parts)
        return data + b"\0" * (-len(data) % 512)


def decompressed(image):
    """The ELF kernel inside a bzImage: emulated, unpacking would take longer than all else."""
    for magic, unpack in ((b"\xfd7zXZ\0", _xz), (b"\x1f\x8b\x08", _gzip), (b"\x28\xb5\x2f\xfd", _zstd)):
        at = image.find(magic)
        while at >= 0:
            # Something else may begin with the same bytes.
            with contextlib.suppress(Exception):
                kernel = unpack(image[at:])
                if kernel.startswith(b"\x7fELF"):
                    return kernel
            at = image.find(magic, at + 1)
    raise RigError("the kernel is packed in a way that is not known here")


def _xz(data):
    return lzma.LZMADecompressor(format=lzma.FORMAT_XZ).decompress(data)


def _gzip(data):
    import zlib
    return zlib.decompressobj(16 + zlib.MAX_WBITS).decompress(data)


def _zstd(data):
    return subprocess.run(["zstd", "-dc"], input=data, capture_output=True, check=False).stdout
