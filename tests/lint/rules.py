#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What no test can see because it would have to meet the one number, the one
name: habits of the sources that keep data as they are. Run: rules.py SOURCE.

- Redis's clock is read once in a call, by enter().
- What `..` joins is text: of a number it would keep 14 digits. So each operand
  is a literal, num(...), or one of the names listed here: their values are text.
- No error reply carries what a client sent: its first word is a code, and a
  line feed would end it.
- Nothing walks through a whole key that may be large.
- C gives Redis commands as arguments with lengths, never as a format.
"""
import pathlib
import re
import sys

# Of Lua: operands of `..` that are text, or fields of decoded records and
# arguments, which come as text. p., r., f. and w. are records and writers.
TEXT = set('''
    base cmd cursor fence_text field fn found% FIELDS% argv% ARGV% COUNT% group
    head id is k key kind l level levels% n name names% now_text of% offset
    failed found home number of other parent payload records ref stops to word
    rest s seen status tail text ticket token v verb wanted
    at dues% ids% next_at score s.head s.name
    due entry% fence line sample_of@ t.kind t.status values% who ring.name
    table.concat@ l% KEYS%
    worker own from format_there PROTOCOL SUSPECTS
    f.base p.status r.bad r.fence r.lost r.more r.ran r.status r.token r.worker
    r.wait s.worker w.base
    num@ quoted@ function_of@ shown@ sub@ match@ string.gsub@ string.match@
    redis.call@
'''.split())
# Of these, what an error reply may hold. The rest of it is ours, and of key,
# kind and is only what a key is made of.
IN_ERRORS = {'LITERAL', 'num@', 'PROTOCOL', 'r.status', 'key', 'kind', 'is',
             'string.gsub@', 'string.match@'}
WHOLE = ('KEYS', 'SMEMBERS', 'LREM', 'FLUSHDB', 'FLUSHALL', 'SORT')
# HGETALL: of the groups in parts; LRANGE: with a limit.


def lua_bare(text):
    """Without comments; string literals as a word."""
    text = re.sub(r'--\[\[.*?\]\]', '', text, flags=re.S)
    text = re.sub(r"'(?:\\.|[^'\\\n])*'|\"(?:\\.|[^\"\\\n])*\"|--[^\n]*",
                  lambda m: '' if m[0].startswith('--') else ' LITERAL ', text)
    return re.sub(r'\s+', ' ', text.replace('...', ' ')).strip()


def lua_operands(text):
    """Of `..`. Calls come as name@, indexed tables as name%."""
    found, bare = set(), lua_bare(text)
    word = r'([\w.@%#]+)(?![\w.@%#])'
    while True:
        bare = re.sub(r'(?<!\w)\( ?([\w.@%]+) or [\w.]+ ?\)', r' \1 ', bare)
        bare = re.sub(r'\([^()]* and LITERAL or LITERAL ?\)', ' LITERAL ', bare)
        for m in re.finditer(r'([\w@%#][\w.@%#]*?) ?\.\. ?(?=' + word +
                             r'( ?[(\[])?)', bare):
            found.add(m[1])
            if not m[3]:
                found.add(m[2])
        less = re.sub(r' ?\[[^\[\]()]*\]', '%', bare)
        less = re.sub(r'(?<!\w)\( ?([\w.@%]+) or [\w.]+ ?\)', r' \1 ', less)
        less = re.sub(r'([\w.]*) ?\([^()]*\)', r'\1@', less)
        if less == bare:
            return found - {'LITERAL'}
        bare = less


def lua_until_closed(text):
    depth = 0
    for i, c in enumerate(text):
        depth += (c in '({') - (c in ')}')
        if depth < 0:
            return text[:i].strip()
    return text


def lua_faults(name, text):
    bare = lua_bare(text)
    if not name.startswith('prelude'):
        if len(re.findall(r'\benter ?\(', bare)) != 1:
            yield 'enter() is called once, and tells the time'
    if "'TIME'" in text and (name != 'prelude.lua' or
                             text.count("'TIME'") != 1):
        yield 'TIME is for enter() only'
    if re.search(r'\bos\.(time|clock)|\bmath\.random', bare):
        yield 'no clock but Redis\'s, and no chance'
    if re.search(r'\btostring\b|\bcjson\b|\bcmsgpack\b', bare):
        yield 'numbers become text by num(), payloads stay as they are'
    for operand in sorted(lua_operands(text) - TEXT):
        yield f'".. {operand}": is it text? see the list of rules.py'
    for command in WHOLE:
        if f"'{command}'" in text:
            yield f'{command} takes as long as the key is big'
    for m in re.finditer(r'error_reply ?\(|\{ ?err =', bare):
        said = lua_until_closed(bare[m.end():])
        if 'ARGV' in said or lua_operands(said) - IN_ERRORS:
            yield f'an error reply tells what a client sent: {said}'


def c_faults(name, text):
    text = re.sub(r'/\*.*?\*/', '', text, flags=re.S)
    for m in re.finditer(r'\bredis\w*(?:Command|AppendCommand)\s*\(\s*[^,]+,'
                         r'([^;]*);', text):
        # A connection's first words have no argument: the text is a constant.
        if name == 'embedded.c' and m[1].strip() == 'command)':
            continue
        yield f'a command made of a format: {m[1].strip()}'
    for m in re.finditer(r'\bembedded_ask\s*\([^;"]*("[^"]*%[^"]*")', text):
        yield f'a command made of a format: {m[1]}'


GOOD = """-- a verb
local base = KEYS[1]
local now, now_us = enter(ARGV)
if not base then
    return redis.error_reply('STATE it is ' .. r.status)
end
return {num(now_us), base .. ':x:' .. num(now) .. ' ' .. (r.more or '')}
"""
BAD = (
    ("enter(ARGV)", "enter(ARGV) enter(ARGV)"),
    ("-- a verb\n", "local t = redis.call('TIME')\n"),
    ("-- a verb\n", "local t = os.time()\n"),
    ("num(now) ..", "now .."),
    ("num(now) ..", "(now + 1) .. now .. "),
    ("':x:' .. num(now)", "':x:' .. tonumber(x)"),
    ("':x:' .. num(now)", "':x:' .. 5"),
    ("':x:' .. num(now)", "':x:' .. #ids"),
    ("num(now_us)", "tostring(now_us)"),
    ("'STATE it is ' .. r.status", "'STATE it is ' .. ARGV[3]"),
    ("'STATE it is ' .. r.status", "'STATE it is ' .. id"),
    ("return redis.error_reply('STATE it is ' .. r.status)",
     "error({err = 'STATE ' .. sub(ref, 1, 9)})"),
    ("-- a verb\n", "redis.call('SMEMBERS', base)\n"),
)
BAD_C = (
    'redisCommand(c, "GET %s", key);',
    'r = redisAsyncCommand(c, fn, arg, "GET %b", key, len);',
    'redisAppendCommand(c, "PING");',
    'embedded_ask(e, "CONFIG SET dir %s", &pid);',
)


def check_itself():
    """Each fault is seen, and nothing else."""
    assert list(lua_faults('verb.lua', GOOD)) == [], \
        list(lua_faults('verb.lua', GOOD))
    for old, new in BAD:
        assert old in GOOD
        bad = GOOD.replace(old, new, 1)
        assert list(lua_faults('verb.lua', bad)), f'not seen: {new}'
    for bad in BAD_C:
        assert list(c_faults('x.c', bad)), f'not seen: {bad}'
    assert not list(c_faults('embedded.c', 'r = redisCommand(c, command);'))


def main():
    root, bad = pathlib.Path(sys.argv[1]), 0
    check_itself()
    files = sorted((root / 'lua').glob('*.lua'))
    sources = [f for d in ('client', 'worker', 'broker')
               for f in sorted((root / d).rglob('*.c'))]
    assert len(files) > 30 and len(sources) > 100, 'where are the sources?'
    for faults, paths in ((lua_faults, files), (c_faults, sources)):
        for path in paths:
            for fault in faults(path.name, path.read_text()):
                print(f'{path.relative_to(root)}: {fault}')
                bad += 1
    n_clocks = sum(f.read_text().count("'TIME'") for f in files)
    if n_clocks != 1:
        print(f'TIME is read at {n_clocks} places')
        bad += 1
    print(f'{len(files)} files of Lua, {len(sources)} of C: {bad} faults')
    return bad > 0


if __name__ == '__main__':
    sys.exit(main())
