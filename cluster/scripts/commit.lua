-- Append one message to a room, once per (room, producer, n).
--
-- KEYS  1 epoch, 2 room head, 3 room log, 4 shard head, 5 shard log, 6 rooms, 7 results of the producer
-- ARGV  1 epoch the node speaks for, 2 room, 3 body, 4 n ('' = no key), 5 digest of the content,
--       6 messages kept in the room, 7 entries kept in the shard, 8 results kept, 9 for how many seconds
-- Returns {flag, …}:
--       {'epoch_changed'}  {'out_of_order', expected}  {'key_reused'}  {'result_expired'}
--       {'duplicate', seq, epoch}  {'committed', seq, epoch}
-- All refusals come before the first write.

if redis.call('GET', KEYS[1]) ~= ARGV[1] then
  return {'epoch_changed'}
end

local keyed = ARGV[4] ~= ''
local n = tonumber(ARGV[4])
if keyed then
  local expected = tonumber(redis.call('HGET', KEYS[7], 'next') or '1')
  if n > expected then
    return {'out_of_order', expected}
  end
  if n < expected then
    local result = redis.call('HGET', KEYS[7], ARGV[4])
    if not result then
      return {'result_expired'}
    end
    local seq, epoch, digest = string.match(result, '^(%d+) (%S+) (%S+)$')
    if digest ~= ARGV[5] then
      return {'key_reused'}
    end
    return {'duplicate', tonumber(seq), epoch}
  end
end

local seq = redis.call('INCR', KEYS[2])
local k = redis.call('INCR', KEYS[4])
redis.call('XADD', KEYS[3], 'MAXLEN', '~', ARGV[6], string.format('%d-0', seq), 'b', ARGV[3])
redis.call('XADD', KEYS[5], 'MAXLEN', '~', ARGV[7], string.format('%d-0', k),
           'r', ARGV[2], 's', string.format('%d', seq), 'b', ARGV[3])
if seq == 1 then
  redis.call('SADD', KEYS[6], ARGV[2])
end
if keyed then
  redis.call('HSET', KEYS[7], 'next', string.format('%d', n + 1),
             ARGV[4], string.format('%d %s %s', seq, ARGV[1], ARGV[5]))
  redis.call('HDEL', KEYS[7], string.format('%d', n - tonumber(ARGV[8])))
  redis.call('EXPIRE', KEYS[7], ARGV[9])
end
return {'committed', seq, ARGV[1]}
