-- Counts occurrences of quiet errors. Linear in the batch.
-- KEYS: D dirty indexes, then the record of each sighting.
-- ARGV: D, now, minute, the pod; then for each sighting the number of its dirty index, its fingerprint, the count.
-- Answers for each: {1, minute, total, e, v, q, u, m, h, o, w, b, g, s} counted; {0, e, … s} not quiet; {} nothing known.
local d, now, minute = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local answers = {}
for i = 1, #KEYS - d do
    local key, dirty, fingerprint, count = KEYS[d + i], KEYS[tonumber(ARGV[3 * i + 2])], ARGV[3 * i + 3], ARGV[3 * i + 4]
    local r = redis.call('HMGET', key, 'n', 'e', 'v', 'q', 'u', 'm', 'h', 'o', 'w', 'b', 'g', 's', 'f')
    if r[1] ~= reign then
        answers[i] = {}
    else
        local quiet = now < tonumber(r[5])
        if quiet and r[6] ~= '-' then
            if tonumber(r[7]) + tonumber(count) > tonumber(r[6]) then
                -- Too little room for all: the archive divides what is left, and must be the only one to use it.
                quiet = false
                r[6] = r[7]
                redis.call('HSET', key, 'm', r[6])
            else
                r[7] = redis.call('HINCRBY', key, 'h', count)
            end
        end
        if quiet then
            local at = string.format('%.0f', math.max(minute, tonumber(r[13])))
            local total = redis.call('HINCRBY', key, 't:' .. r[2] .. ':' .. at .. ':' .. r[4] .. ':' .. ARGV[4], count)
            r[12] = redis.call('HINCRBY', key, 's', count)
            redis.call('ZADD', dirty, 0, fingerprint)
            answers[i] = { 1, at, total, unpack(r, 2, 12) }
        else
            answers[i] = { 0, unpack(r, 2, 12) }
        end
    end
end
return answers
