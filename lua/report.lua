-- report: RUNNING -> COMPLETED, FAILED, TIMEOUT, STOPPED, EXPIRED, or QUEUED
-- again (repeat, retry). Each result is judged by itself; the same report
-- twice is counted once.
-- FLAGS: allow-oom
-- ARGV[3] worker  ARGV[4...] four a task: id, ticket ('fence token'),
-- COMPLETED|FAILED|TIMEOUT|STOPPED, what came of it (JSON, or '')
-- Returns now_us, then a word a task: OK, AGAIN (counted before) or STALE
local base, worker = KEYS[1], ARGV[3]
local now, now_us = enter(ARGV)
local ids = {}
for i = 4, #ARGV, 4 do
    ids[#ids + 1] = ARGV[i]
end
local states = fetch(base .. ':state', ids)
local w, reply, seen = writer(base), {num(now_us)}, {}
local state = list(w, 'HSET', base .. ':state')
local running = list(w, 'ZREM', base .. ':running:' .. worker)
local keep, now_text = num(now + DAY), num(now)
local finished
local COUNT = {COMPLETED = ' run=1', FAILED = ' failed=1',
               TIMEOUT = ' failed=1', STOPPED = ''}

local function next_run(r)
    local period = tonumber(r.period or 60000)
    if r.drift then
        local begin = tonumber(r.begin)
        if period == 0 then
            return now
        end
        return begin + period * (math.floor((now - begin) / period) + 1)
    end
    return r.start + period
end

local function next_try(r)
    if not r.delay and not r.backoff then
        return next_run(r)
    end
    local delay = tonumber(r.delay or r.period or 60000)
    local factor = tonumber(r.backoff or 1)
    if factor > 1 then -- jitter: 0.75 to 1.25, from the fence's last digits
        delay = delay * factor ^ math.min(tonumber(r.failed) - 1, 200)
            * (0.75 + tonumber(string.sub(r.fence, -3)) / 2000)
    end
    return math.floor(now + math.min(delay, tonumber(r.cap or HOUR)))
end

-- The end state, or nil and when to run again.
local function judge(r, status)
    if status == 'COMPLETED' then
        r.run = num(tonumber(r.run or 0) + 1)
        r.failed = nil
        local due, repeats = next_run(r), tonumber(r.repeats or 1)
        if repeats ~= 0 and tonumber(r.run) >= repeats then
            r.next = due
            return status
        end
        if r.expire and due > tonumber(r.expire) then
            r.next = due
            return 'EXPIRED'
        end
        return nil, due
    elseif status == 'STOPPED' then
        return status
    end
    r.failed = num(tonumber(r.failed or 0) + 1)
    local retry = tonumber(r.retry or 0)
    if retry == -1 or tonumber(r.failed) <= retry then
        return nil, next_try(r)
    end
    return status
end

for i, id in ipairs(ids) do
    local at = 4 * i
    local ticket, status, payload = ARGV[at + 1], ARGV[at + 2], ARGV[at + 3]
    local text, word = states[i], 'STALE'
    local prefix = 'RUNNING ' .. ticket .. ' ' .. worker .. ' '
    if not COUNT[status] then
        error({err = 'INVALID report: not a status: ' .. num(i)})
    end
    if text and not seen[id] and string.sub(text, 1, #prefix) == prefix then
        word = 'OK'
        seen[id] = true
        running[#running + 1] = id
        if not string.find(text, '=', #prefix, true) then
            -- All rules default and never touched before: no need to parse.
            state[#state + 1] = id
            state[#state + 1] = status .. string.sub(text, 8, -2) .. now_text
                .. COUNT[status]
            finished = finished or list(w, 'ZADD', base .. ':finished')
            finished[#finished + 1] = keep
            finished[#finished + 1] = id
            w.counts[status] = (w.counts[status] or 0) + 1
            if payload ~= '' then
                put(w, 'HSET', base .. ':run', id, payload)
            end
        else
            local r = decode(text)
            local ended, due = judge(r, status)
            if ended then
                if ended == 'EXPIRED' then
                    history(w, id, r, status, now, payload)
                    payload = ''
                end
                finish(w, id, r, ended, now, payload)
            else
                history(w, id, r, status, now, payload)
                r.stop = now
                requeue(w, id, r, due)
            end
        end
    elseif text then
        local r = decode(text)
        if r.fence .. ' ' .. r.token == ticket and (seen[id]
                or r.status ~= 'RUNNING' and r.status ~= 'ASSIGNED') then
            word = 'AGAIN'
        end
    end
    reply[#reply + 1] = word
end

local old = redis.call('ZRANGEBYSCORE', base .. ':finished', '-inf', now_text,
                       'LIMIT', 0, #ids)
if #old > 0 then
    prune_ids(w, old, now)
end
flush(w)
return reply
