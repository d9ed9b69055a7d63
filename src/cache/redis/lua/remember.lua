-- Remembers what the archive decided, unless a newer decision is known. Linear in the batch.
-- KEYS: the records. ARGV: an epoch for those that come to be; then for each v, q, u, m, o, w, b, g, s and how many
-- milliseconds to keep it.
-- Answers how many were changed.
local changed = 0
for i = 1, #KEYS do
    local key, at = KEYS[i], 10 * i - 8
    local v, opened, g, s = tonumber(ARGV[at]), ARGV[at + 4], ARGV[at + 7], ARGV[at + 8]
    local r = redis.call('HMGET', key, 'n', 'v', 'o', 'g', 's', 'e', 'f')
    local known = r[1] == reign
    -- An older copy may have gone back behind this very decision, never before it.
    if not r[1] or v > tonumber(r[2]) or (not known and v == tonumber(r[2])) then
        if r[1] and r[3] == opened then
            if tonumber(r[4]) > tonumber(g) then g = r[4] end
            if tonumber(r[5]) > tonumber(s) then s = r[5] end
        end
        redis.call('HSET', key, 'n', reign, 'v', ARGV[at], 'q', ARGV[at + 1], 'u', ARGV[at + 2], 'm', ARGV[at + 3],
            'h', 0, 'o', opened, 'w', ARGV[at + 5], 'b', ARGV[at + 6], 'g', g, 's', s,
            'e', known and r[6] or ARGV[1], 'f', r[7] or 0)
        redis.call('PEXPIRE', key, ARGV[at + 9])
        changed = changed + 1
    end
end
return changed
