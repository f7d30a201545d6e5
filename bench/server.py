# SPDX-License-Identifier: MIT
"""A Redis of its own for bench/scale, and what it can be asked: a small client,
the slow log, counters, MONITOR. And the processes of stint-bench-fleet."""
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time

LOGGED_US = 1000
TICK_S = os.sysconf('SC_CLK_TCK')


class RedisError(Exception):
    """An error that Redis answered."""


class Connection:
    """A blocking RESP connection on a unix socket."""

    def __init__(self, path):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(path)
        self.file = self.sock.makefile('rb')

    def send(self, *words):
        parts = [b'*%d\r\n' % len(words)]
        for word in words:
            data = word if isinstance(word, bytes) else str(word).encode()
            parts.append(b'$%d\r\n%s\r\n' % (len(data), data))
        self.sock.sendall(b''.join(parts))

    def reply(self):
        line = self.file.readline()
        if not line:
            raise RedisError('the connection was closed')
        kind, rest = line[:1], line[1:-2].decode()
        if kind == b'-':
            raise RedisError(rest)
        if kind == b'+':
            return rest
        if kind == b':':
            return int(rest)
        if kind == b'$':
            if rest == '-1':
                return None
            return self.file.read(int(rest) + 2)[:-2].decode('latin-1')
        return [self.reply() for _ in range(int(rest))]

    def call(self, *words):
        self.send(*words)
        return self.reply()

    def close(self):
        self.file.close()
        self.sock.close()


class Process:
    """A stint-bench-fleet in the background; its JSON object at the end."""

    def __init__(self, arguments):
        self.child = subprocess.Popen(arguments, stdout=subprocess.PIPE,
                                      start_new_session=True)
        self.pid = self.child.pid

    def result(self):
        out = self.child.communicate(timeout=600)[0]
        if self.child.returncode != 0:
            raise RuntimeError('%s ended with %d' %
                               (self.child.args[1], self.child.returncode))
        return json.loads(out)

    def stop(self):
        self.child.send_signal(signal.SIGTERM)
        return self.result()

    def kill(self):
        if self.child.poll() is None:
            self.child.kill()
        self.child.wait()
        self.child.stdout.close()

    def cpu_s(self):
        return cpu_seconds(self.pid)


def cpu_seconds(pid):
    with open('/proc/%d/stat' % pid, encoding='latin-1') as f:
        fields = f.read().rpartition(')')[2].split()
    return (int(fields[11]) + int(fields[12])) / TICK_S


def waited_s(pid):
    """How long it stood ready to run and had no processor; 0: not known."""
    try:
        with open('/proc/%d/schedstat' % pid, encoding='ascii') as f:
            return int(f.read().split()[1]) / 1e9
    except (OSError, IndexError):
        return 0.0


def resident(pid):
    with open('/proc/%d/status' % pid, encoding='latin-1') as f:
        return int(re.search(r'VmRSS:\s+(\d+)', f.read()).group(1)) * 1024


class Server:
    """A redis-server without persistence in a directory of its own, and the
    processes that work on it. Use it with `with`."""

    def __init__(self, fleet, first=False):
        self.fleet, self.first = fleet, first
        self.dir = tempfile.mkdtemp(prefix='stint-scale.')
        self.processes = []
        path = os.path.join(self.dir, 'redis.sock')
        self.url = 'unix://' + path
        with open(os.path.join(self.dir, 'log'), 'wb') as log:
            self.redis = subprocess.Popen(
                ['redis-server', '--port', '0', '--unixsocket', path,
                 '--tcp-backlog', '4096', '--save', '', '--appendonly', 'no',
                 '--dir', self.dir,
                 '--slowlog-log-slower-than', str(LOGGED_US),
                 '--slowlog-max-len', '1000000'], stdout=log, stderr=log,
                start_new_session=True)
        self.pid = self.redis.pid
        self.go_first(self.pid)
        for _ in range(200):
            try:
                self.connection = Connection(path)
                break
            except OSError:
                time.sleep(0.02)
        else:
            self.__exit__()
            raise RuntimeError('redis-server does not start')
        self.path = path
        self.call = self.connection.call

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in self.processes:
            process.kill()
        self.redis.kill()
        self.redis.wait()
        shutil.rmtree(self.dir, ignore_errors=True)

    # ---- Processes

    def go_first(self, pid):
        """Before the others, in its session and among the sessions: what is
        measured is then Redis, and not who else is there."""
        if not self.first:
            return
        os.setpriority(os.PRIO_PROCESS, pid, -20)
        try:
            with open('/proc/%d/autogroup' % pid, 'w', encoding='ascii') as f:
                f.write('-20')
        except OSError:
            pass  # there are no such priorities

    def start(self, what, *options):
        words = [self.fleet, what, self.url] + [str(o) for o in options]
        process = Process(words)
        self.processes.append(process)
        if what == 'ping':
            self.go_first(process.pid)
        return process

    def queue(self, tasks, *options):
        """Queues; the seconds it took."""
        return self.start('queue', '-n', tasks, *options).result()['seconds']

    def end(self):
        """Ends every process that is left."""
        for process in self.processes:
            process.kill()
        self.processes = []

    # ---- Asking

    def info(self, section):
        pairs = [line.split(':', 1)
                 for line in self.call('INFO', section).split('\r\n')
                 if ':' in line]
        return dict(pairs)

    def number(self, section, name):
        return float(self.info(section)[name])

    def cpu_s(self):
        return cpu_seconds(self.pid)

    def memory(self):
        return self.number('memory', 'used_memory')

    def calls(self):
        """Command -> calls since the last reset, those of scripts too."""
        return {name[8:]: int(re.match(r'calls=(\d+)', text).group(1))
                for name, text in self.info('commandstats').items()}

    def card(self, key, group='bench'):
        return self.call('ZCARD', '{stint:%s}:%s' % (group, key))

    def ended(self, status='COMPLETED', groups=('bench',)):
        return sum(int(self.call('HGET', '{stint:%s}:ended' % g, status) or 0)
                   for g in groups)

    def empty(self):
        """For the next turn; the functions stay."""
        self.call('FLUSHALL', 'SYNC')
        self.forget()

    def forget(self):
        self.call('CONFIG', 'RESETSTAT')
        self.call('SLOWLOG', 'RESET')

    def slow(self):
        """What took over a millisecond since forget(): (us, name, arguments),
        the slowest first."""
        found = []
        for entry in self.call('SLOWLOG', 'GET', '-1'):
            us, words = entry[2], entry[3]
            more = re.match(r'\.\.\. \((\d+) more', words[-1])
            n = len(words) - 1 + int(more.group(1)) if more else len(words)
            name = words[0].upper()
            if name in ('FCALL', 'FCALL_RO', 'EVALSHA') and len(words) > 1:
                found.append((us, words[1], n))
            elif name not in ('FUNCTION', 'SLOWLOG', 'FLUSHALL'):
                found.append((us, name, n))
        return sorted(found, reverse=True)


def wait_for(what, condition, limit_s, step_s=0.02):
    end = time.monotonic() + limit_s
    while not condition():
        if time.monotonic() > end:
            raise RuntimeError('%s: not after %d s' % (what, limit_s))
        time.sleep(step_s)


class Monitor:
    """What clients send, between start and end(); not what scripts call."""

    def __init__(self, server):
        self.server = server
        self.connection = Connection(server.path)
        self.connection.call('MONITOR')

    def end(self):
        """Returns (scripts by name, blocking looks at markers, workers that
        called a script)."""
        mark = 'end-of-%d' % time.monotonic_ns()
        self.server.call('ECHO', mark)
        scripts, waits, workers = {}, 0, set()
        while True:
            line = self.connection.reply()
            words = re.findall(r'"((?:[^"\\]|\\.)*)"', line)
            if mark in words:
                break
            if re.match(r'[\d.]+ \[\d+ lua\]', line):
                continue
            command = words[0].upper()
            if command in ('FCALL', 'FCALL_RO'):
                scripts[words[1]] = scripts.get(words[1], 0) + 1
                if words[1] in ('stint_assign', 'stint_report',
                                'stint_heartbeat', 'stint_start'):
                    workers.add(words[6])
            elif command == 'BZPOPMIN' and ':wake' in words[1]:
                waits += 1
        self.connection.close()
        return scripts, waits, workers
