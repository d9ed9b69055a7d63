-- Takes note of totals that the archive has. Linear in the batch and in the totals of its records.
-- KEYS: D dirty indexes, then the records.
-- ARGV: D, the first minute whose totals stay; then for each record the number of its dirty index, its fingerprint, how
-- many totals follow, and for each its field, the number that was written, and 1 where its minute is over.
-- Answers how many records have nothing new.
local d, floor, at, clean = tonumber(ARGV[1]), tonumber(ARGV[2]), 3, 0
for i = 1, #KEYS - d do
    local key, dirty, fingerprint, written = KEYS[d + i], KEYS[tonumber(ARGV[at])], ARGV[at + 1], tonumber(ARGV[at + 2])
    at = at + 3
    local all, new = redis.call('HGETALL', key), {}
    for j = 1, #all, 2 do
        if string.sub(all[j], 1, 2) == 't:' then new[all[j]] = all[j + 1] end
    end
    local dropped = false
    for _ = 1, written do
        local field, total, over = ARGV[at], ARGV[at + 1], ARGV[at + 2]
        at = at + 3
        if new[field] == total then
            new[field] = nil
            if over == '1' then
                redis.call('HDEL', key, field)
                dropped = true
            end
        end
    end
    -- A dropped total could not go on: nobody counts in its minute again, not even a pod whose clock is late.
    if dropped and tonumber(redis.call('HGET', key, 'f')) < floor then redis.call('HSET', key, 'f', ARGV[2]) end
    if next(new) == nil then
        redis.call('ZREM', dirty, fingerprint)
        clean = clean + 1
    end
end
return clean
