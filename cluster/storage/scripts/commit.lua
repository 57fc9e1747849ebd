-- Append one message to a room, once per (room, producer, n).
--
-- KEYS  1 epoch, 2 state of the room, 3 room log, 4 shard head, 5 shard log, 6 rooms, 7 results of the producer
-- ARGV  1 guard ("<epoch> <run_id>"), 2 epoch, 3 room, 4 messages kept in the room, 5 entries kept in the shard,
--       6 results kept, 7 for how many seconds, 8 n ('' = no key), 9 digest of the content,
--       10 now in seconds (only to renew the results' expiry now and then), 11 body
-- Returns {flag, …}:
--       {'epoch_changed'}  {'out_of_order', expected}  {'key_reused'}  {'result_expired'}
--       {'duplicate', seq, epoch}  {'committed', seq, k}: k is the entry's place in the shard log
-- All refusals come before the first write.

local call = redis.call
if call('GET', KEYS[1]) ~= ARGV[1] then
  return {'epoch_changed'}
end

local n, renewed
if ARGV[8] ~= '' then
  n = tonumber(ARGV[8])
  local known = call('HMGET', KEYS[7], 'next', ARGV[8], 'renewed')
  local expected = tonumber(known[1] or '1')
  if n > expected then
    return {'out_of_order', expected}
  end
  if n < expected then
    if not known[2] then
      return {'result_expired'}
    end
    local seq, epoch, digest = string.match(known[2], '^(%d+) (%S+) (%S+)$')
    if digest ~= ARGV[9] then
      return {'key_reused'}
    end
    return {'duplicate', tonumber(seq), epoch}
  end
  renewed = tonumber(known[3])
end

local seq = call('HINCRBY', KEYS[2], 'head', 1)
call('HSETNX', KEYS[2], ARGV[2], seq)  -- where this epoch begins in this room
local k = call('INCR', KEYS[4])
call('XADD', KEYS[3], 'MAXLEN', '~', ARGV[4], string.format('%d-0', seq), 'b', ARGV[11])
call('XADD', KEYS[5], 'MAXLEN', '~', ARGV[5], string.format('%d-0', k),
     'r', ARGV[3], 's', string.format('%d', seq), 'b', ARGV[11])
if seq == 1 then
  call('SADD', KEYS[6], ARGV[3])
end
if n then
  local result = string.format('%d %s %s', seq, ARGV[2], ARGV[9])
  local now, kept_s = tonumber(ARGV[10]), tonumber(ARGV[7])
  if renewed and math.abs(now - renewed) < kept_s / 4 then
    call('HSET', KEYS[7], 'next', string.format('%d', n + 1), ARGV[8], result)
  else
    call('HSET', KEYS[7], 'next', string.format('%d', n + 1), ARGV[8], result, 'renewed', ARGV[10])
    call('EXPIRE', KEYS[7], ARGV[7])
  end
  if n > tonumber(ARGV[6]) then
    call('HDEL', KEYS[7], string.format('%d', n - tonumber(ARGV[6])))
  end
end
return {'committed', seq, k}
