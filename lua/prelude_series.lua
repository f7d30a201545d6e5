-- Behind prelude.lua: what follows when a run of a task has ended: the next of
-- its series, a retry, or an end state.

-- cron: the next match, as the worker of the run tells it: never one before
-- the start_time. A retry has none.
local function next_run(r, now, cron)
    local period = tonumber(r.period or 60000)
    if r.cron and cron then
        return cron
    elseif r.drift then
        local begin = tonumber(r.begin)
        if begin > now then
            return begin -- it ran before its time (run_now)
        elseif period == 0 then
            return now
        end
        return begin + period * (math.floor((now - begin) / period) + 1)
    end
    return r.start + period
end

local function next_try(r, now)
    if not r.delay and not r.backoff then
        return next_run(r, now)
    end
    local delay = tonumber(r.delay or r.period or 60000)
    local factor = tonumber(r.backoff or 1)
    if factor > 1 then -- jitter: 0.75 to 1.25, from the fence's last digits
        delay = delay * factor ^ math.min(tonumber(r.failed) - 1, 200)
            * (0.75 + tonumber(string.sub(r.fence, -3)) / 2000)
    end
    return math.floor(now + math.min(delay, tonumber(r.cap or HOUR)))
end

-- The end state, or nil and when to run again. cron: the next match. advice:
-- "!MS" or "!never", of a run that failed; it moves tries and adds none.
local function judge(r, status, now, cron, advice)
    if status == 'COMPLETED' then
        r.run = num(tonumber(r.run or 0) + 1)
        r.failed, r.lost = nil, nil
        local due, repeats = next_run(r, now, cron), tonumber(r.repeats or 1)
        if repeats ~= 0 and tonumber(r.run) >= repeats then
            r.next = due
            return status
        elseif r.stopping then
            return 'STOPPED'
        elseif r.expire and due > tonumber(r.expire) then
            r.next = due
            return 'EXPIRED'
        end
        return nil, due
    elseif status == 'STOPPED' or r.stopping then
        return 'STOPPED'
    end
    r.failed = num(tonumber(r.failed or 0) + 1)
    local retry = tonumber(r.retry or 0)
    if (retry == -1 or tonumber(r.failed) <= retry) and advice ~= '!never' then
        local wait = tonumber(sub(advice or '', 2))
        return nil, wait and now + wait or next_try(r, now)
    end
    return status
end
