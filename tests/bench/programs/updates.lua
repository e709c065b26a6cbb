-- wrk: updates of Telegram, each with an id of its own, of a thousand chats.
local thread_number = 0

function setup(thread)
  thread_number = thread_number + 1
  thread:set('first', thread_number * 100000000)
end

function init()
  n = first
end

function request()
  n = n + 1
  local body = string.format('{"update_id":%d,"message":{"message_id":%d,"date":1700000000,' ..
    '"text":"I would like to buy \\"everything\\", please. Спасибо!","entities":[{"type":"bold",' ..
    '"offset":0,"length":4}],"chat":{"id":%d,"type":"private","first_name":"Иван"},"from":{"id":%d,' ..
    '"is_bot":false,"first_name":"Иван","language_code":"ru"}}}', n, n, n % 1000, n % 1000)
  return wrk.format('POST', '/telegram/shop', {
    ['Host'] = 'bench',
    ['Content-Type'] = 'application/json',
    ['X-Telegram-Bot-Api-Secret-Token'] = 'bench_secret',
  }, body)
end
