/*
 * One of the queues that ours is compared with, each by its documentation's fastest settings.
 *
 *     node queue_peer.mjs PEER fill N     jobs that do nothing
 *     node queue_peer.mjs PEER drain N    prints {"seconds": …, "mb": …}
 *
 * BENCH_NODE_MODULES is where they are installed, DATABASE_URL and REDIS_SOCKET where they keep
 * their jobs. The clock runs from when the worker may start until the last job's function was called.
 */
import { createRequire } from 'node:module';
import { readFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';

const folder = process.env.BENCH_NODE_MODULES;
const url = process.env.DATABASE_URL;
const require = createRequire(`${folder}/`);
const many = 1000;

function batches(count) {
    const sizes = [];
    for (let left = count; left > 0; left -= many) sizes.push(Math.min(left, many));
    return sizes;
}

const payloads = size => Array.from({ length: size }, (_, n) => ({ n }));

/* Resolves when it was called count times. */
function counter(count) {
    let called = 0;
    const counted = {};
    counted.all = new Promise(resolve => {
        counted.add = (jobs = 1) => { called += jobs; if (called >= count) resolve(); };
    });
    return counted;
}

async function graphile() {
    const { makeWorkerUtils, run, Logger } = require('graphile-worker');
    const logger = new Logger(() => () => {});
    return {
        async fill(count) {
            const utils = await makeWorkerUtils({ connectionString: url, logger });
            await utils.migrate();
            for (const size of batches(count))
                await utils.addJobs(payloads(size).map(payload => ({ identifier: 'k', payload })));
            await utils.release();
        },
        async drain(done) {
            const worker = {
                connectionString: url, concurrentJobs: 24, maxPoolSize: 25, logger,
                localQueue: { size: 500 }, completeJobBatchDelay: 0, failJobBatchDelay: 0,
            };
            const runner = await run({
                preset: { worker }, noHandleSignals: true, logger,
                taskList: { k: async () => done.add() },
            });
            return () => runner.stop();
        },
    };
}

async function pgboss() {
    const { PgBoss } = await import(pathToFileURL(`${folder}/pg-boss/dist/index.js`));
    const boss = new PgBoss({ connectionString: url, max: 10, useListenNotify: true });
    boss.on('error', error => console.error(error.message));
    await boss.start();
    return {
        async fill(count) {
            await boss.createQueue('work', { notify: true });
            for (const size of batches(count))
                await boss.insert('work', payloads(size).map(data => ({ data })));
            await boss.stop({ graceful: false });
        },
        async drain(done) {
            const options = {
                localConcurrency: 4, batchSize: 1000, burstWhenBatchFull: true,
                pollingIntervalSeconds: 0.5,
            };
            await boss.work('work', options, async jobs => done.add(jobs.length));
            return () => boss.stop({ graceful: true, timeout: 30000 });
        },
    };
}

async function bullmq(onPostgres) {
    const { Queue, Worker, createPostgresBackend, runMigrations } = require('bullmq');
    const backend = onPostgres ? [createPostgresBackend] : [];
    const connection = onPostgres ? { connectionString: url, max: 10 }
        : { path: process.env.REDIS_SOCKET, maxRetriesPerRequest: null };
    return {
        async fill(count) {
            if (onPostgres) {
                const client = new (require('pg').Client)({ connectionString: url });
                await client.connect();
                await runMigrations(client);
                await client.end();
            }
            const queue = new Queue('work', { connection, skipMetasUpdate: true }, ...backend);
            for (const size of batches(count))
                await queue.addBulk(payloads(size).map(
                    data => ({ name: 'k', data, opts: { removeOnComplete: true } })));
            await queue.close();
        },
        async drain(done) {
            const options = { connection, concurrency: onPostgres ? 10 : 100 };
            const worker = new Worker('work', async () => {}, options, ...backend);
            worker.on('completed', () => done.add());
            return () => worker.close();
        },
    };
}

const peers = {
    'graphile-worker': graphile, 'pg-boss': pgboss,
    'bullmq-redis': () => bullmq(false), 'bullmq-pg': () => bullmq(true),
};

const [name, what, number] = process.argv.slice(2);
const peer = await peers[name]();
if (what === 'fill') {
    await peer.fill(Number(number));
} else {
    const done = counter(Number(number));
    const began = process.hrtime.bigint();
    const stop = await peer.drain(done);
    await done.all;
    const seconds = Number(process.hrtime.bigint() - began) / 1e9;
    const status = readFileSync('/proc/self/status', 'utf8');
    await stop();
    console.log(JSON.stringify({ seconds, mb: /VmHWM:\s+(\d+)/.exec(status)[1] / 1024 }));
}
process.exit(0);
