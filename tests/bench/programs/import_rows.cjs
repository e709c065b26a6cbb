// The peer of coffee/vendista_import_worker: page after page, one upsert per row and one transaction
// per page, as a node-postgres program does it. Prints the seconds that it took.
//
//     NODE_PATH=... node import_rows.cjs DATABASE_URL PAGES_URL ROWS
const { Client } = require('pg')

const [databaseUrl, pagesUrl, rows] = process.argv.slice(2)

const UPSERT = {
  name: 'upsert',
  text: `insert into peer_transactions (id, term_id, machine_item_id, amount, time, result, reverse_id, payload)
         values ($1, $2, $3, $4, $5, $6, $7, $8)
         on conflict (id) do update set result = excluded.result, reverse_id = excluded.reverse_id,
             payload = excluded.payload`,
}

function values(item) {
  return [item.id, item.term_id, item.machine_item[0].machine_item_id, item.sum / 100, item.time,
    item.result, item.reverse_id, item]
}

async function importAll(client) {
  for (let page = 1, done = 0; done < Number(rows); page++) {
    const answer = await fetch(`${pagesUrl}/transactions?PageNumber=${page}&ItemsOnPage=1000`)
    const { items } = await answer.json()
    await client.query('begin')
    for (const item of items) await client.query({ ...UPSERT, values: values(item) })
    await client.query('commit')
    done += items.length
  }
}

async function main() {
  const client = new Client({ connectionString: databaseUrl })
  await client.connect()
  await client.query(`create table if not exists peer_transactions (id bigint primary key,
      term_id int, machine_item_id int, amount numeric, time timestamp, result int,
      reverse_id bigint, payload jsonb)`)
  await importAll(client) // so that the table holds them
  const began = process.hrtime.bigint()
  await importAll(client)
  console.log(Number(process.hrtime.bigint() - began) / 1e9)
  await client.end()
}

main()
