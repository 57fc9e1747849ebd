-- Users have read up to some positions: keep those that are further than what is kept.
--
-- A position that the room's log does not have (its epoch is unknown, or it lies past its end) is left out, and so
-- is a user's first one in a room that keeps very many already.
--
-- KEYS  1 read positions of the room, 2 state of the room, 3 epochs
-- ARGV  1 most users, 2 seconds that they are kept for, then {user, epoch, seq} each
-- Returns the numbers of those that were kept, from 1

local order = {}
for i, epoch in ipairs(redis.call('LRANGE', KEYS[3], 0, -1)) do
  order[epoch] = i
end
local state, firsts, head = redis.call('HGETALL', KEYS[2]), {}, 0
for i = 1, #state, 2 do
  if state[i] == 'head' then
    head = tonumber(state[i + 1])
  else
    firsts[state[i]] = tonumber(state[i + 1])
  end
end

local function last_of(epoch)
  local last = head
  for other, first in pairs(firsts) do
    if (order[other] or 0) > order[epoch] and first - 1 < last then
      last = first - 1
    end
  end
  return last
end

local function is_further(epoch, seq, kept)
  local kept_seq, kept_epoch = string.match(kept, '^(%d+) (.*)$')
  local at, kept_at = order[epoch], order[kept_epoch] or 0
  return at > kept_at or (at == kept_at and seq > tonumber(kept_seq))
end

local users, kept = redis.call('HLEN', KEYS[1]), {}
for i = 3, #ARGV, 3 do
  local user, epoch, seq = ARGV[i], ARGV[i + 1], tonumber(ARGV[i + 2])
  if order[epoch] and seq <= last_of(epoch) then
    local before = redis.call('HGET', KEYS[1], user)
    if before and is_further(epoch, seq, before) or (not before and users < tonumber(ARGV[1])) then
      users = users + (before and 0 or 1)
      redis.call('HSET', KEYS[1], user, ARGV[i + 2] .. ' ' .. epoch)
      kept[#kept + 1] = i / 3
    end
  end
end
if #kept > 0 then
  redis.call('EXPIRE', KEYS[1], ARGV[2])
end
return kept
