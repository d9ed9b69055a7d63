-- Counts occurrences while the archive is away, and grants alerts within the budget. Linear in the batch. The same as
-- `Record::grant`; an older copy's window goes on, for a grant too few is better than one too many.
-- KEYS: D dirty indexes, then the record of each claim.
-- ARGV: D, now, minute, an epoch for records that come to be, the grace, the pod; then for each claim the number of its
-- dirty index, its fingerprint, the count, the policy's budget and window, and until when maintenance holds it back.
-- Answers for each: {minute, granted, first ordinal, {reason, total, …}, e, v, q, u, m, h, o, w, b, g, s}.
local d, now, minute, grace = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[5])
local function text(number) return number and string.format('%.0f', number) or '-' end

local answers = {}
for i = 1, #KEYS - d do
    local key, dirty, fingerprint = KEYS[d + i], KEYS[tonumber(ARGV[6 * i + 1])], ARGV[6 * i + 2]
    local count, budget, window = tonumber(ARGV[6 * i + 3]), tonumber(ARGV[6 * i + 4]), tonumber(ARGV[6 * i + 5])
    local hold = tonumber(ARGV[6 * i + 6])
    local r = redis.call('HMGET', key, 'n', 'e', 'v', 'q', 'u', 'm', 'h', 'o', 'w', 'b', 'g', 's', 'f')
    local epoch = r[1] == reign and r[2] or ARGV[4]
    local v, q, u, m, h, o, w, b, g, s, f = '0', 'b', now, nil, 0, 0, nil, budget, 0, 0, 0
    if r[1] then
        -- tonumber('-') is nil.
        v, q, u, m, h, o, w = r[3], r[4], tonumber(r[5]), tonumber(r[6]), tonumber(r[7]), tonumber(r[8]), tonumber(r[9])
        b, g, s, f = tonumber(r[10]), tonumber(r[11]), tonumber(r[12]), tonumber(r[13])
    end

    if now < hold and (now >= u or (m and count > math.max(m - h, 0))) then q, u, m, h = 'n', hold, nil, 0 end
    local quiet, quiet_reason = 0, q
    if now < u then
        quiet = m and math.min(count, math.max(m - h, 0)) or count
        s = s + quiet
        if m then h = h + quiet end
    end
    local granted, first, spent = 0, g + 1, 0
    if quiet < count then
        if not w or now >= w then
            o = math.max(now, o + 1)
            w, q, u, m, h, b, g, s = o + window, 'b', now, nil, 0, budget, 0, 0
        end
        local left = count - quiet
        granted, first = math.min(left, math.max(b - g, 0)), g + 1
        g, s, spent = g + granted, s + left, left - granted
        if g >= b then q, u, m, h = 'b', w, nil, 0 end
    end

    if quiet_reason == 'b' then quiet, spent = 0, quiet + spent end
    local at = text(math.max(minute, f))
    local totals = {}
    for _, part in ipairs({ { quiet_reason, quiet }, { 'g', granted }, { 'b', spent } }) do
        if part[2] > 0 then
            totals[#totals + 1] = part[1]
            local field = 't:' .. epoch .. ':' .. at .. ':' .. part[1] .. ':' .. ARGV[6]
            totals[#totals + 1] = redis.call('HINCRBY', key, field, part[2])
        end
    end
    local after = { epoch, v, q, text(u), text(m), text(h), text(o), text(w), text(b), text(g), text(s) }
    redis.call('HSET', key, 'n', reign, 'e', after[1], 'v', after[2], 'q', after[3], 'u', after[4], 'm', after[5],
        'h', after[6], 'o', after[7], 'w', after[8], 'b', after[9], 'g', after[10], 's', after[11], 'f', text(f))
    redis.call('PEXPIRE', key, text(math.min(math.max(now, u, w or now) - now + grace, 3.2e12)))
    redis.call('ZADD', dirty, 0, fingerprint)
    answers[i] = { at, granted, first, totals, unpack(after) }
end
return answers
