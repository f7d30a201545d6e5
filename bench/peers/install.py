# SPDX-License-Identifier: MIT
"""Gets what a peer needs: Debian packages by apt-get, npm packages and the
compiled clients in a cache directory of our own. Services that come with
packages are neither started now nor at the next boot."""

import json
import os
import shutil
import subprocess
import sys

from child import Failed

LIMIT_S = 900
HERE = os.path.dirname(os.path.abspath(__file__))


def cache_directory():
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return os.path.join(base, "stint-bench")


def say(text):
    print(f"compare: {text}", file=sys.stderr, flush=True)


def run(argv, what, **options):
    """Runs it to its end; fails with the last line that it said."""
    try:
        done = subprocess.run(
            argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, timeout=LIMIT_S, **options)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Failed(f"{what}: {error}")
    text = done.stdout.decode(errors="replace").strip()
    if done.returncode:
        last = text.splitlines()[-1] if text else "no message"
        raise Failed(f"{what}: {last[:300]}")
    return text


# ---- Debian packages ---------------------------------------------------------

def package_version(name):
    """The installed version, or None."""
    try:
        form = "${db:Status-Status} ${Version}"
        text = run(["dpkg-query", "-W", "-f", form, name], "dpkg-query")
    except Failed:
        return None
    status, _, version = text.partition(" ")
    return version if status == "installed" else None


def upstream(version):
    """1:6.4.1+dfsg-1 is 6.4.1 to the rest of the world."""
    version = version.rpartition(":")[2].rpartition("-")[0] or version
    return version.partition("+")[0]


def as_root():
    if os.geteuid() == 0:
        return []
    if not shutil.which("sudo"):
        raise Failed("not installed, and neither root nor sudo is there")
    return ["sudo", "-n"]


# Services that come with packages, and the program that each of them runs.
SERVICES = {"beanstalkd": "beanstalkd", "gearman-job-server": "gearmand"}


def running(services):
    """Processes of these services."""
    programs = {SERVICES[service] for service in services}
    found = set()
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/comm", encoding="utf-8") as file:
                if file.read().strip() in programs:
                    found.add(pid)
        except OSError:
            continue  # it has just ended
    return found


class Masked:
    """Services that systemd must not start. Without systemd, RUNLEVEL=1 and
    policy-rc.d keep them from starting, as in deploy/packages."""

    def __init__(self, services):
        self.services = services
        self.before = running(services)
        self.systemd = os.path.isdir("/run/systemd/system")

    def __enter__(self):
        for service in self.services if self.systemd else ():
            run(as_root() + ["systemctl", "mask", "--runtime", "--quiet",
                             service],
                f"not installed, as the service {service} would start")

    def __exit__(self, failed, *_):
        for service in self.services:
            if self.systemd:
                run(as_root() + ["systemctl", "unmask", "--runtime",
                                 "--quiet", service], f"unmask {service}")
            if not failed and shutil.which("systemctl"):
                run(as_root() + ["systemctl", "disable", "--quiet", service],
                    f"disable {service}")
        started = running(self.services) - self.before
        if started:
            raise Failed("its package has started a service, process "
                         f"{', '.join(started)}: please stop that first")


def apt_get(names, services):
    if not shutil.which("apt-get"):
        raise Failed(f"no apt-get here to install {' '.join(names)}")
    root = as_root() + ["env", "DEBIAN_FRONTEND=noninteractive", "RUNLEVEL=1"]
    command = root + ["apt-get", "install", "-y", "-q",
                      "--no-install-recommends", *names]
    with Masked(services):
        try:
            run(command, "apt-get")
        except Failed:  # the lists may be absent or too old
            run(root + ["apt-get", "update", "-q"], "apt-get update")
            run(command, "apt-get")


def packages(names, services, may_install):
    missing = [name for name in names if not package_version(name)]
    if not missing:
        return
    if not may_install:
        raise Failed(f"not installed: {' '.join(missing)}")
    say(f"installing {' '.join(missing)}")
    apt_get(missing, services)


# ---- npm packages ------------------------------------------------------------

def npm_directory():
    return os.path.join(cache_directory(), "npm")


def npm_version(name):
    path = os.path.join(npm_directory(), "node_modules", name, "package.json")
    try:
        with open(path, encoding="utf-8") as file:
            return json.load(file)["version"]
    except (OSError, ValueError, KeyError):
        return None


def npm(wanted, may_install):
    """wanted: name to version."""
    missing = [f"{name}@{version}" for name, version in wanted.items()
               if npm_version(name) != version]
    programs = [name for name in ("node", "npm") if not shutil.which(name)]
    if not missing and "node" not in programs:
        return
    if not may_install:
        raise Failed(f"not installed: {' '.join(programs + missing)}")
    if programs:
        packages(["nodejs", "npm"], (), may_install)
    say(f"installing {' '.join(missing)}")
    os.makedirs(npm_directory(), exist_ok=True)
    run(["npm", "install", "--prefix", npm_directory(), "--cache",
         os.path.join(cache_directory(), "npm-cache"), "--no-audit",
         "--no-fund", "--ignore-scripts", *missing], "npm")


# ---- Our own clients ---------------------------------------------------------

def client_path(name):
    return os.path.join(cache_directory(), name)


def client(name):
    """Compiles NAME.c with wire.c, if that is older than they are."""
    sources = [os.path.join(HERE, file)
               for file in (f"{name}.c", "wire.c", "wire.h")]
    path = client_path(name)
    if os.path.exists(path) and all(
            os.path.getmtime(source) < os.path.getmtime(path)
            for source in sources):
        return
    os.makedirs(cache_directory(), exist_ok=True)
    run(["cc", "-std=c11", "-D_GNU_SOURCE", "-O2", "-Wall", "-o", path,
         *sources[:2]], "cc")
