// The peer of main/gateway: a Node HTTP server that stores each update with its job by the same function,
// one call an update on a pool of connections, and acknowledges it then. Prints its port.
//
//     NODE_PATH=... node webhook_rows.cjs DATABASE_URL
const http = require('http')
const { Pool } = require('pg')

const pool = new Pool({ connectionString: process.argv[2], max: 10 })

const STORE = {
  name: 'store',
  text: 'select main.take_updates(array[$1], array[$2]::bigint[], array[$3]::jsonb[])',
}

const server = http.createServer((request, response) => {
  const pieces = []
  request.on('data', (piece) => pieces.push(piece))
  request.on('end', async () => {
    const answer = (status, body) => response.writeHead(status).end(JSON.stringify(body))
    if (request.headers['x-telegram-bot-api-secret-token'] !== 'bench_secret') return answer(401, {})
    try {
      const update = JSON.parse(Buffer.concat(pieces).toString())
      await pool.query({ ...STORE, values: ['shop', update.update_id, update] })
      answer(200, { ok: true })
    } catch (error) {
      answer(503, { error: error.message })
    }
  })
})

server.listen(0, '127.0.0.1', () => console.log(server.address().port))
