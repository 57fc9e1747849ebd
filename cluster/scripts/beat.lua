-- Refresh a node's lease and read all of them. Stamps are Redis' own time, so that one clock judges all.
--
-- KEYS  1 nodes      ARGV  1 server_id, 2 json about the node
-- Returns {now in ms, server_id, "<stamp ms> <json>", …}

local time = redis.call('TIME')
local now = string.format('%d', time[1] * 1000 + math.floor(time[2] / 1000))
redis.call('HSET', KEYS[1], ARGV[1], now .. ' ' .. ARGV[2])
local answer = {tonumber(now)}
for _, item in ipairs(redis.call('HGETALL', KEYS[1])) do
  answer[#answer + 1] = item
end
return answer
