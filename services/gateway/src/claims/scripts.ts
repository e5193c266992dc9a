// Lua that Redis runs atomically. All keys of a deployment share one hash tag, so that a cluster keeps them on one node.
// Amounts are integers below 2^53; the gateway offers nothing larger.

/** KEYS ready claim payer totals lost due alias · ARGV see RedisClaims.reserve. */
export const reserve = `
if redis.call('EXISTS', KEYS[1]) == 0 then return {'not-ready'} end
local fields = cjson.decode(ARGV[1])
if redis.call('EXISTS', KEYS[2]) == 1 then
  local known = redis.call('HMGET', KEYS[2], 'fingerprint', 'requestId')
  if known[1] ~= fields.fingerprint or known[2] ~= fields.requestId then return {'conflict'} end
  return {'existing', redis.call('HGETALL', KEYS[2])}
end
local now, amount = tonumber(ARGV[2]), tonumber(fields.amount)
local payer = redis.call('HMGET', KEYS[3], 'balance', 'balanceAtMs', 'exposure', 'settled', 'owed', 'contract')
if not payer[2] or now - tonumber(payer[2]) > tonumber(ARGV[5]) then return {'stale-payer'} end
if payer[6] == '1' then return {'exposed', 'contract-payer'} end
local exposure, settled = tonumber(payer[3] or '0'), tonumber(payer[4] or '0')
if exposure + amount > tonumber(payer[1]) then return {'exposed', 'insufficient-balance'} end
local counted = '0'
if fields.flow == 'authorization' then
  local payerCap = tonumber(ARGV[3])
  if tonumber(payer[5] or '0') > 0 then return {'exposed', 'debtor'} end
  if exposure + amount > math.max(payerCap, settled) then return {'exposed', 'payer-cap'} end
  if settled < payerCap then
    local risked = tonumber(redis.call('GET', KEYS[4]) or '0') + tonumber(redis.call('GET', KEYS[5]) or '0')
    if risked + amount > tonumber(ARGV[4]) then return {'exposed', 'total-cap'} end
    redis.call('INCRBY', KEYS[4], amount)
    counted = '1'
  end
end
redis.call('HINCRBY', KEYS[3], 'exposure', amount)
redis.call('HSET', KEYS[2], 'state', 'reserved', 'counted', counted, 'released', '0', 'leaseUntilMs', now + tonumber(ARGV[7]))
for name, value in pairs(fields) do redis.call('HSET', KEYS[2], name, value) end
redis.call('PEXPIRE', KEYS[2], ARGV[6])
redis.call('SET', KEYS[7], fields.paymentId, 'PX', ARGV[6])
redis.call('ZADD', KEYS[6], tonumber(fields.validBefore) * 1000, fields.paymentId)
return {'reserved'}
`

/** Ends what a claim counts for in the exposure ledger, once. Used by the scripts below. */
const releaseExposure = `
local function releaseExposure(how)
  local claim = redis.call('HMGET', KEYS[1], 'released', 'amount', 'counted', 'flow')
  if claim[1] ~= '0' then return end
  local amount = tonumber(claim[2])
  redis.call('HSET', KEYS[1], 'released', '1')
  redis.call('HINCRBY', KEYS[2], 'exposure', -amount)
  if claim[3] == '1' then redis.call('DECRBY', KEYS[3], amount) end
  if how == 'paid' then
    redis.call('HINCRBY', KEYS[2], 'settled', amount)
    redis.call('HINCRBY', KEYS[2], 'version', 1)
    if redis.call('HEXISTS', KEYS[2], 'balance') == 1 then redis.call('HINCRBY', KEYS[2], 'balance', -amount) end
  elseif how == 'lost' then
    redis.call('HINCRBY', KEYS[2], 'owed', amount)
    if claim[3] == '1' then
      redis.call('INCRBY', KEYS[4], amount)
      redis.call('PEXPIRE', KEYS[4], 86400000, 'NX')
    end
  end
end
`

/** KEYS claim payer totals lost due · ARGV to, states that may move there, states that are there already, patch. */
export const transition = `${releaseExposure}
local state = redis.call('HGET', KEYS[1], 'state')
if not state then return 'missing' end
if string.find(ARGV[3], ',' .. state .. ',', 1, true) then return 'already' end
if not string.find(ARGV[2], ',' .. state .. ',', 1, true) then return 'conflict' end
redis.call('HSET', KEYS[1], 'state', ARGV[1])
for name, value in pairs(cjson.decode(ARGV[4])) do redis.call('HSET', KEYS[1], name, value) end
if ARGV[1] == 'settled' then releaseExposure('paid') end
if ARGV[1] == 'void' then releaseExposure('void') end
if ARGV[1] == 'unpaid' then releaseExposure('lost') end
if ARGV[1] == 'settled' or ARGV[1] == 'void' or ARGV[1] == 'unpaid' then redis.call('ZREM', KEYS[5], ARGV[5]) end
return 'applied'
`

/** KEYS claim payer totals lost · ARGV patch. An upfront payment was collected. */
export const paid = `${releaseExposure}
local state = redis.call('HGET', KEYS[1], 'state')
if not state then return 'missing' end
for name, value in pairs(cjson.decode(ARGV[1])) do redis.call('HSET', KEYS[1], name, value) end
releaseExposure('paid')
if state == 'paying' or state == 'reserved' then
  redis.call('HSET', KEYS[1], 'state', 'accepted')
  return 'applied'
end
return 'already'
`

/** KEYS claim payer totals lost due alias. */
export const release = `${releaseExposure}
if redis.call('HGET', KEYS[1], 'state') ~= 'reserved' then return 0 end
releaseExposure('void')
redis.call('DEL', KEYS[1], KEYS[6])
redis.call('ZREM', KEYS[5], ARGV[1])
return 1
`

/** KEYS claim · ARGV now, lease. */
export const takeOver = `
local claim = redis.call('HMGET', KEYS[1], 'state', 'leaseUntilMs')
if claim[1] ~= 'reserved' or tonumber(claim[2]) > tonumber(ARGV[1]) then return 0 end
redis.call('HSET', KEYS[1], 'leaseUntilMs', tonumber(ARGV[1]) + tonumber(ARGV[2]))
return 1
`

/** KEYS claim payer totals due alias · ARGV fields, ttl, state. Rebuilt claims count as risked: what is not known is not given away. */
export const restore = `
if redis.call('EXISTS', KEYS[1]) == 1 then return 0 end
local fields = cjson.decode(ARGV[1])
local counted = '0'
if fields.flow == 'authorization' then
  redis.call('INCRBY', KEYS[3], fields.amount)
  counted = '1'
end
redis.call('HINCRBY', KEYS[2], 'exposure', fields.amount)
redis.call('HSET', KEYS[1], 'state', ARGV[3], 'counted', counted, 'released', '0', 'leaseUntilMs', 0)
for name, value in pairs(fields) do redis.call('HSET', KEYS[1], name, value) end
redis.call('PEXPIRE', KEYS[1], ARGV[2])
redis.call('SET', KEYS[5], fields.paymentId, 'PX', ARGV[2])
redis.call('ZADD', KEYS[4], tonumber(fields.validBefore) * 1000, fields.paymentId)
return 1
`

/** KEYS payer · ARGV version, balance, contract, now, ttl. Written only if no payment settled since the balance was read. */
export const setPayer = `
local version = redis.call('HGET', KEYS[1], 'version') or '0'
if version ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], 'balance', ARGV[2], 'contract', ARGV[3], 'balanceAtMs', ARGV[4])
redis.call('PEXPIRE', KEYS[1], ARGV[5])
return 1
`
