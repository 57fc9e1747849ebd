-- Remove the memberships of an incarnation whose lease is stale, some at a time; tell every node by the log.
--
-- The first call takes the lease away, so that the incarnation cannot come back in the middle; whoever calls
-- next, from whatever node, goes on. Stale is judged here, by Redis' clock: the time since the later of the
-- last stamp and the end of the last outage (see registry.py).
--
-- KEYS  1 epoch, 2 leases, 3 condemned, 4 pulse, 5 memberships of the incarnation, then the heads of all shard
--       logs, then the shard logs; the keys of rooms are made of the patterns in ARGV
-- ARGV  1 epoch the node speaks for ('' = there is no log), 2 incarnation, 3 ms after which a lease is stale,
--       4 ms without any node's beat that count as an outage, 5 memberships to remove at most,
--       6 entries kept in a shard log, 7 pattern of presence keys, 8 pattern of their versions
-- Returns {'epoch_changed'}  {'held'}: the lease holds, or an outage has just ended  {'unknown'}
--       {'reaped', memberships removed, memberships left}

if ARGV[1] ~= '' and redis.call('GET', KEYS[1]) ~= ARGV[1] then
  return {'epoch_changed'}
end

local lease = redis.call('HGET', KEYS[2], ARGV[2])
if lease then
  local time = redis.call('TIME')
  local now = time[1] * 1000 + math.floor(time[2] / 1000)
  local last = tonumber(redis.call('HGET', KEYS[4], 'last') or '0')
  if now < last or now - last > tonumber(ARGV[4]) then
    return {'held'}
  end
  local stamp = tonumber(string.match(lease, '^%d+'))
  if stamp > now then
    stamp = 0 -- The clock was set back; since then beats went on, but not this one's.
  end
  local since = tonumber(redis.call('HGET', KEYS[4], 'since') or '0')
  if now - math.max(stamp, since) < tonumber(ARGV[3]) then
    return {'held'}
  end
  redis.call('HDEL', KEYS[2], ARGV[2])
  redis.call('SADD', KEYS[3], ARGV[2])
elseif redis.call('SISMEMBER', KEYS[3], ARGV[2]) == 0 then
  return {'unknown'}
end

local shards = (#KEYS - 5) / 2
local prefix = ARGV[2] .. ' '
local removed, touched = 0, {}
for _, member in ipairs(redis.call('SPOP', KEYS[5], ARGV[5])) do
  local shard, room, connection = string.match(member, '^(%d+) (%S+) (%S+)$')
  local presence = string.format(ARGV[7], room)
  local entry = redis.call('HGET', presence, connection)
  -- A node that lives has registered its connections again, under its new incarnation: those stay.
  if entry and string.sub(entry, 1, #prefix) == prefix then
    redis.call('HDEL', presence, connection)
    touched[room] = tonumber(shard)
    removed = removed + 1
  end
end
for room, shard in pairs(touched) do
  redis.call('INCR', string.format(ARGV[8], room))
  if ARGV[1] ~= '' then
    local k = redis.call('INCR', KEYS[6 + shard])
    redis.call('XADD', KEYS[6 + shards + shard], 'MAXLEN', '~', ARGV[6], string.format('%d-0', k), 'p', room)
  end
end

local left = redis.call('SCARD', KEYS[5])
if left == 0 then
  redis.call('SREM', KEYS[3], ARGV[2])
end
return {'reaped', removed, left}
