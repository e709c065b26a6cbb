/* The figures at the top, and in the title of the page's tab: is there something to do? */
import { element, find, setAttribute, setText } from "./dom.js";
import { NONE, bytes, count, duration, percent } from "./format.js";
import { isTrouble } from "./fleet.js";
import { queues } from "./queues.js";

const sum = (rows, value) => rows.reduce((total, row) => total + (value(row) ?? 0), 0);

const known = { workers: null, queues: null, daemon: null };

const FIGURES = [
    ["In trouble", "workers", (rows) => count(rows.filter(isTrouble).length), isTrouble],
    ["Online", "workers", (rows) =>
        `${rows.filter((row) => row.state === "online").length} of ${rows.length}`],
    ["CPU", "workers", (rows) => percent(sum(rows, (row) => row.cpu_percent))],
    ["Memory", "workers", (rows) => bytes(sum(rows, (row) => row.memory_bytes))],
    ["Jobs waiting", "queues", (rows) => count(sum(rows, (queue) => queue.depth))],
    ["Oldest job", "queues", (rows) => {
        const oldest = Math.max(0, ...rows.map((queue) => queue.oldest_ms ?? 0));

        return oldest ? duration(oldest) : NONE;
    }],
    ["Jobs a minute", "queues", (rows) => count(sum(rows, queues.perMinute))],
    ["Dead jobs", "queues", (rows) => count(sum(rows, (queue) => queue.dead)),
        (queue) => queue.dead > 0],
];

const tiles = FIGURES.map(([title, of, text, isBad]) => {
    const figure = element("dd", {}, NONE);

    return { of, text, isBad, figure, tile: element("div", {}, element("dt", {}, title), figure) };
});

function draw() {
    const bad = known.workers?.filter(isTrouble).length ?? 0;

    for (const { of, text, isBad, figure, tile } of tiles) {
        if (!known[of])
            continue;
        setText(figure, text(known[of]));
        if (isBad)
            setAttribute(tile, "data-tone", known[of].some(isBad) ? "bad" : "good");
    }
    setText(find("title"), bad ? `(${bad}) ops` : "ops");
    if (known.daemon)
        setText(find("#about"), `opsd ${known.daemon.version}, pid ${known.daemon.pid}, up ` +
            `${duration(known.daemon.uptime_ms)}, ${bytes(known.daemon.memory_bytes)}, ` +
            `home ${known.daemon.home}`);
}

export const glance = {
    open() {
        find("#glance").append(...tiles.map(({ tile }) => tile));
    },
    takeWorkers(answer) {
        known.workers = answer.workers;
        known.daemon = answer.daemon;
        draw();
    },
    takeQueues(answer) {
        known.queues = answer.queues;
        draw();
    },
};
