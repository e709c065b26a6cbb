/* The queues: how much waits, how fast it goes, what was given up. */
import { element, find, setAttribute, setText } from "./dom.js";
import { NONE, count, duration } from "./format.js";
import { Table } from "./table.js";

const perMinute = (queue) => Math.round(60 * queue.rate);

let showDead = () => {};

/* The number of dead jobs leads to them. */
const dead = {
    title: "Dead",
    number: true,
    sort: (queue) => queue.dead,
    make(cell, entry) {
        const button = element("button", { type: "button", class: "figure" });

        button.addEventListener("click", () => showDead(entry.row.queue));
        cell.append(button);
    },
    draw(cell, queue) {
        setText(cell.firstChild, count(queue.dead, queue.dead_estimated));
        setAttribute(cell.firstChild, "aria-label",
            `${cell.firstChild.textContent} dead jobs of ${queue.queue}: show them`);
    },
};

const figure = (title, name) => ({
    title,
    number: true,
    sort: (queue) => queue[name],
    text: (queue) => count(queue[name], queue[`${name}_estimated`]),
});

const table = new Table(find("#queues .rows"), {
    caption: "Queues",
    empty: "No queue has jobs, and nobody serves one.",
    key: (queue) => queue.queue,
    tone: (queue) => queue.dead > 0 && "warn",
    columns: [
        { title: "Queue", sort: (queue) => queue.queue, text: (queue) => queue.queue },
        figure("Waiting", "depth"),
        figure("Later", "delayed"),
        figure("Running", "running"),
        { title: "Done a minute", number: true, sort: perMinute,
            text: (queue) => count(perMinute(queue)) },
        { title: "Oldest", number: true, sort: (queue) => queue.oldest_ms,
            text: (queue) => queue.oldest_ms === null ? NONE : duration(queue.oldest_ms) },
        figure("Failed this hour", "failures"),
        dead,
    ],
});

export const queues = {
    section: find("#queues"),
    path: () => "api/queues",
    take(answer) {
        table.show(answer.queues);
    },
    /* show(queue): lead to its dead jobs */
    open(show) {
        showDead = show;
    },
    perMinute,
};
