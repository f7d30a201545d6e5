-- assign: QUEUED -> RUNNING for free slots, -> ASSIGNED for prefetched ones.
-- Due only; highest level first, then earliest next_run_time; never past
-- stop_time. A due task of a function the worker does not know is parked with
-- its like, out of the way of the others. Parts of broadcasts for this worker
-- are RUNNING beyond its slots.
-- FLAGS: allow-oom
-- ARGV[3] worker  ARGV[4] token  ARGV[5] how many to run; behind a blank an s:
-- it holds a task already that was lost with a worker; an r: it rests, and
-- takes no parts of broadcasts either  ARGV[6] to prefetch
-- ARGV[7...] functions the worker knows
-- Returns now_us, when the next is due (ms, 0: none), 1 if more is due now,
-- then three a task: id, state record, task
-- Refuses: LEASE
local EXPIRE_STEP = 50 -- in passing: the tasks it hands out cost as much
local BYTES_MAX = 524288 -- of tasks in a reply: Redis takes 5 ms a MiB
local base, worker, token = KEYS[1], ARGV[3], ARGV[4]
local now, now_us = enter(ARGV)
local n_run, has_suspect, rests = string.match(ARGV[5],
                                               '^(%d+) ?(s?)(r?)$')
n_run = tonumber(n_run)
local want = n_run + tonumber(ARGV[6])
local lease = redis.call('ZSCORE', base .. ':workers', worker)
if not lease or tonumber(lease) < now then
    return redis.error_reply('LEASE the worker has no lease on this group')
end
local known = {} -- from when it is met, where its runs are counted
for i = 7, #ARGV do
    known[ARGV[i]] = true
end

local w = writer(base, 'assign')
local suspects, cast = base .. ':suspects', base .. ':cast:' .. worker
-- Mostly there is one sorted set to look at, and one question finds that out.
local n_others = redis.call('EXISTS', suspects, cast, base .. ':levels',
                            base .. ':expiry', base .. ':broadcast',
                            base .. ':large', base .. ':settings')
local has_large = n_others > 0
    and redis.call('EXISTS', base .. ':large') == 1
local has_settings = n_others > 0
    and redis.call('EXISTS', base .. ':settings') == 1
if has_settings and paused_since(base) then
    -- No marker is left either: resume_group puts them back.
    return {num(now_us), '0', '0'}
end
if not has_settings then
    w.told = false -- no events are kept, and told() need not ask
end
local is_plain = n_others == (has_large and 1 or 0) + (has_settings and 1 or 0)
local gone, n_gone = {}, 0
if not is_plain then
    gone, n_gone = expire_due(w, now, EXPIRE_STEP)
end

-- Where to look, in order.
local sources, levels = {}, {}
if not is_plain then
    if has_suspect == '' and n_run > 0 then
        sources[1] = suspects
    end
    levels = redis.call('ZREVRANGE', base .. ':levels', '0', '999',
                        'WITHSCORES')
end
local plain = base .. ':queued'
for i = 1, #levels, 2 do
    if plain and tonumber(levels[i + 1]) < 0 then
        sources[#sources + 1] = plain
        plain = nil
    end
    local fn = string.match(levels[i], ':(.+)$')
    if not fn or known[fn] then
        sources[#sources + 1] = base .. ':queued:' .. levels[i]
        sources[base .. ':queued:' .. levels[i]] = levels[i]
    end
end
sources[#sources + 1] = plain

local now_text, fence_text = num(now), num(now_us)
local head = ' ' .. fence_text .. ' ' .. token .. ' ' .. worker .. ' '
local tail = ' ' .. now_text .. ' 0'
local reply = {fence_text, '0', '0'}
local taken, more = 0, n_gone == EXPIRE_STEP
local state = list(w, 'HSET', base .. ':state')
local running = list(w, 'SADD', base .. ':running:' .. worker)
local assigned = list(w, 'SADD', base .. ':assigned:' .. worker)

-- Tasks that were queued together are due together, get the same record, and are
-- told of together.
local row_due, row_status, row_t, row_text, row_told

-- Of a task that has no record, which is due at `due`.
local function first_record(due, status, t)
    if due ~= row_due or status ~= row_status or t ~= row_t then
        row_due, row_status, row_t = due, status, t
        row_told = told(w, status, worker, fence_text, t.fn)
        if status == 'RUNNING' then
            tally(t, due, now)
            row_text = 'RUNNING' .. head .. due .. tail
        else
            row_text = 'ASSIGNED' .. head .. due .. ' 0 0'
        end
    elseif status == 'RUNNING' then
        t.n = t.n + 1
    end
    return row_text
end

-- r: its record; nil: it has none, and `text` is when it is due. t: where runs
-- of its function are counted.
local function take(id, r, text, t, part)
    local ids -- told with it
    local status = (part or taken < n_run) and 'RUNNING' or 'ASSIGNED'
    if r then
        row_due = nil
        local fence = fence_text
        if tonumber(r.fence) >= now_us then
            fence = num(tonumber(r.fence) + 1)
        end
        if r.expire and status == 'RUNNING' then
            put(w, 'ZREM', base .. ':expiry', id)
        end
        r.status, r.fence, r.token, r.worker = status, fence, token, worker
        r.parked = nil
        if status == 'RUNNING' then
            tally(t, r.next, now)
            r.start, r.stop = now, 0
        end
        text = encode(r)
        ids = told(w, status, worker, fence, t.fn)
    else
        text = first_record(text, status, t)
        ids = row_told
    end
    if ids then
        ids[#ids + 1] = id
    end
    state[#state + 1] = id
    state[#state + 1] = text
    local held = status == 'RUNNING' and running or assigned
    held[#held + 1] = id
    taken = taken + (part and 0 or 1)
    return text
end

local last_known, last_mark -- most tasks are of the function of the one before

-- Where its runs are counted, or nil: the worker does not know it.
local function is_known(task)
    if not last_mark or find(task, last_mark, 1, true) ~= 1 then
        local fn = function_of(task)
        last_known, last_mark = known[fn], fn .. ' '
        if last_known == true then
            last_known = new_tally(w, 'q', fn)
            known[fn] = last_known
        end
    end
    return last_known
end

local parts = {}
if rests == '' and not is_plain then
    parts = redis.call('ZRANGEBYSCORE', cast, '-inf', now_text, 'LIMIT', '0',
                       '50')
end
for _, id in ipairs(parts) do
    local r, task = look_up(base, id)
    put(w, 'ZREM', cast, id)
    if r and r.status == 'QUEUED' then
        local t = is_known(task)
        if t then
            reply[#reply + 1] = id
            reply[#reply + 1] = take(id, r, nil, t, true)
            reply[#reply + 1] = task
        else
            finish(w, id, r, 'SKIPPED', now)
        end
    end
end
more = more or #parts == 50
if rests == '' and not is_plain and fire_due(w, now, now_us, 5) > 0 then
    more = true
end

-- A due task: taken, parked, or too late.
local function hand_out(id, due, text, task)
    local r, t = text and decode(text), nil
    if not task or task == LOST or r and r.status == 'BROKEN' then
        if not r or not ENDED[r.status] then -- be loud
            lose(w, id, r or fresh(due), now, now_us, task,
                 task and r and r.status == 'BROKEN'
                 and 'its state record cannot be read'
                 or 'what was queued is gone')
        end
    elseif r and r.status ~= 'QUEUED' then
        -- This index is wrong; the record is the authority.
    elseif r and r.expire and tonumber(r.expire) < now then
        leave(w, id, r, task)
        r.token, r.worker = '-', '-'
        local verb = tell_as(w, 'expire')
        finish(w, id, r, 'EXPIRED', now)
        tell_as(w, verb)
        more = true
    else
        t = is_known(task)
        if t then
            reply[#reply + 1] = id
            reply[#reply + 1] = take(id, r, due, t)
            reply[#reply + 1] = task
        else
            r = r or fresh(due)
            r.parked = '1'
            requeue(w, id, r, r.next, task)
            more = true
        end
    end
end

-- Where there are large tasks: only those whose bytes fit, and always one.
local bytes = 0

local function fit(ids)
    for i = 1, has_large and #ids or 0 do
        bytes = bytes + redis.call('HSTRLEN', base .. ':task', ids[i])
        if bytes > BYTES_MAX and (i > 1 or taken > 0) then
            for j = #ids, i, -1 do
                ids[j] = nil
            end
            break
        end
    end
end

for _, key in ipairs(sources) do
    local limit = want - taken
    if limit <= 0 or bytes > BYTES_MAX then
        break
    end
    if key == suspects then
        limit = 1
    end
    local found = redis.call('ZRANGEBYSCORE', key, '-inf', now_text,
                             'WITHSCORES', 'LIMIT', '0', num(limit))
    if #found == 0 and sources[key]
        and redis.call('EXISTS', key) == 0 then
        put(w, 'ZREM', base .. ':levels', sources[key])
    end
    local ids = {}
    for i = 1, #found, 2 do
        ids[(i + 1) / 2] = found[i]
    end
    fit(ids)
    local states, tasks = fetch(base .. ':state', ids),
                          fetch(base .. ':task', ids)
    local out = n_gone > 0 and list(w, 'ZREM', key)
    if not out and #ids > 0 then
        w.heads[#w.heads + 1] = {key, #ids}
    end
    for i, id in ipairs(ids) do
        if not gone[id] then
            if out then
                out[#out + 1] = id
            end
            hand_out(id, found[2 * i], states[i], tasks[i])
        end
    end
end
w.demands[base .. ':wake'] = 'zset' -- written to behind the flush
if not is_plain then
    w.demands[base .. ':wake:' .. SUSPECTS] = 'zset'
    for _, key in ipairs(sources) do
        local fn = sources[key] and match(sources[key], ':(.+)$')
        if fn then
            w.demands[base .. ':wake:' .. fn] = 'zset'
        end
    end
end
flush(w, now)

-- Pass the wake-up on while work remains, and keep the time of the next.
local due
local left = not is_plain and first_score(suspects)
if left then
    redis.call('ZADD', base .. ':wake:' .. SUSPECTS, 'LT', left, 'w')
end
for _, key in ipairs(sources) do
    local score = key ~= suspects and first_score(key)
    if score then
        more = more or want > 0 and tonumber(score) <= now
        local fn = sources[key] and string.match(sources[key], ':(.+)$')
        if fn then
            redis.call('ZADD', base .. ':wake:' .. fn, 'LT', score, 'w')
        else
            redis.call('ZADD', base .. ':wake', 'LT', score, 'w')
            if not due or tonumber(score) < due then
                due = tonumber(score)
            end
        end
    end
end
for _, key in ipairs(is_plain and {}
        or {base .. ':expiry', base .. ':broadcast', cast}) do
    local score = tonumber(first_score(key) or nil)
    if score and key == base .. ':expiry' then
        score = score + 1 -- it is the last moment that is not too late
    end
    -- Due, and not fired by us: somebody else is to be woken.
    if score and key ~= cast and (score > now or rests ~= '') then
        redis.call('ZADD', base .. ':wake', 'LT', num(score), 'w')
    end
    if score and (not due or score < due) then
        due = score
    end
end
if due then
    reply[2] = num(due)
end
if more then
    reply[3] = '1'
end
return reply
