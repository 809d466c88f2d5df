-- Has wrk post orders, each with an Idempotency-Key of its own if one is asked for, and print what was measured as JSON.
local threads = 0

function setup(thread)
  threads = threads + 1
  thread:set("number", threads)
end

function init(arguments)
  math.randomseed(os.time() + number)
  keyed, run, sent = arguments[1] == "keyed", arguments[2], 0
end

function request()
  sent = sent + 1
  local headers = { ["Content-Type"] = "application/json" }
  if keyed then headers["Idempotency-Key"] = string.format("%s-%d-%d", run, number, sent) end
  local body = string.format(
    '{"client_id":%d,"address":"Calle %d # 13-24, Bogota","total_cents":%d,"currency":"COP"}',
    math.random(10000), math.random(200), math.random(100, 50000))
  return wrk.format("POST", "/orders", headers, body)
end

function done(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format(
    '{"requests":%d,"seconds":%f,"refused":%d,"broken":%d,"p50_ms":%f,"p99_ms":%f,"max_ms":%f}\n',
    summary.requests, summary.duration / 1e6, errors.status,
    errors.connect + errors.read + errors.write + errors.timeout,
    latency:percentile(50) / 1e3, latency:percentile(99) / 1e3, latency.max / 1e3))
end
