/* The workers: what each is doing, and a restart. */
import { order } from "./api.js";
import { action, busy, hinted, opening, pill } from "./columns.js";
import { element, find, setAttribute, setText } from "./dom.js";
import { NONE, bytes, count, duration, local, percent, since, until } from "./format.js";
import { recall, remember } from "./memory.js";
import { say } from "./news.js";
import { sure } from "./question.js";
import { Table } from "./table.js";

const failed = (end) => Boolean(end && (end.exit_code || end.exit_signal));

/* Needs a person, or soon will: given up, falling again and again, or the last run was bad. */
export function isTrouble(row) {
    if (row.state === "errored" || row.state === "waiting restart")
        return true;
    return failed(row.last_run) && row.wanted === "up";
}

const TONES = {
    online: "good", launching: "busy", stopping: "busy", "waiting restart": "warn",
    errored: "bad", scheduled: "calm", waiting: "warn", stopped: "",
};

const KINDS = {
    all: () => true,
    trouble: isTrouble,
    online: ({ state }) => ["online", "launching", "stopping"].includes(state),
    scheduled: ({ state }) => state === "scheduled" || state === "waiting",
    stopped: ({ state }) => state === "stopped",
};

const label = (row) => row.instance ? `${row.name}:${row.instance}` : row.name;
const word = (row) => row.completed ? "completed" : row.state;

function end(exit) {
    if (exit.exit_signal)
        return `killed by signal ${exit.exit_signal}`;
    return typeof exit.exit_code === "number" ? `exited with code ${exit.exit_code}` : "";
}

function lastExit(row) {
    const run = row.last_run;

    if (row.reason)
        return row.reason;
    if (run)
        return `${end(run)}, ${since(run.started)}, took ${duration(run.duration_ms)}`;
    return end(row) || NONE;
}

const stats = (row) => Object.entries(row.stats ?? {})
    .map(([name, value]) => `${name} ${JSON.stringify(value)}`).join(", ");

const detail = (row) => [
    ["Reason", row.reason],
    ["Last exit", end(row)],
    ["Last run", row.last_run && `${local(row.last_run.started)}, ${end(row.last_run)}, took ` +
        duration(row.last_run.duration_ms)],
    ["Its tick", row.last_run && local(row.last_run.tick)],
    ["Next run", local(row.next_run)],
    ["Says", row.status_text],
    ["Counts", stats(row)],
    ["Wanted", row.wanted],
    ["Ready", row.state === "online" ? (row.ready ? "yes" : "not yet") : ""],
    ["Unstable restarts", count(row.unstable_restarts)],
    ["User", row.user],
    ["On a terminal", `opsctl describe ${label(row)}; opsctl logs -f ${row.name}`],
];

async function restart(row, button) {
    const whole = row.next_run
        ? "A run under way is stopped, and the next one planned anew."
        : "It is asked to stop, with everything it started, and started again.";
    const own = row.name === "gateway" && row.namespace === "main"
        ? " This page is served by it, and will be without news for a moment." : "";

    if (!await sure(`Restart ${row.name}?`, whole + own, "Restart"))
        return;
    await busy(button, async () => {
        say(`${row.name}: restart asked for`);
        try {
            await order(`api/workers/${encodeURIComponent(row.name)}/restart`);
            say(`${row.name}: restarted`, "good");
        } catch (error) {
            say(`${row.name}: restart failed: ${error.message}`, "bad");
        }
    });
    changed();
}

let changed = () => {};
let rows = [], kind = "all", states = null;

const words = find("#fleet-words");
const chips = Object.fromEntries(Object.keys(KINDS).map((name) => {
    const chip = element("button", { type: "button", class: "chip", "data-kind": name });

    chip.addEventListener("click", () => choose(name));
    return [name, chip];
}));

const table = new Table(find("#fleet .rows"), {
    caption: "Workers of the fleet",
    empty: "No worker fits the filter.",
    key: (row) => row.id,
    tone: (row) => isTrouble(row) && "bad",
    detail,
    columns: [
        opening("Worker", label, (row) => row.namespace ? `${row.namespace} / ` : ""),
        pill("State", word, (row) => TONES[row.state] ?? ""),
        { title: "PID", number: true, text: (row) => String(row.pid ?? NONE) },
        { title: "Uptime", number: true, sort: (row) => row.uptime_ms,
            text: (row) => duration(row.uptime_ms) },
        { title: "Restarts", number: true, sort: (row) => row.restarts,
            text: (row) => count(row.restarts) },
        { title: "CPU", number: true, sort: (row) => row.cpu_percent,
            text: (row) => percent(row.cpu_percent) },
        { title: "Memory", number: true, sort: (row) => row.memory_bytes,
            text: (row) => bytes(row.memory_bytes) },
        hinted("Next run", (row) => until(row.next_run), (row) => local(row.next_run),
            { number: true, sort: (row) => row.next_run && Date.parse(row.next_run) }),
        hinted("Last exit", lastExit, lastExit, { class: "words" }),
        action("Restart", { where: () => true, act: restart,
            label: (row) => `Restart ${row.name}` }),
    ],
});

function fits(row) {
    const text = [row.name, row.namespace, word(row), row.reason, row.pid].join(" ").toLowerCase();

    return KINDS[kind](row) &&
        words.value.toLowerCase().split(/\s+/).every((part) => text.includes(part));
}

function draw() {
    for (const [name, chip] of Object.entries(chips)) {
        setText(chip, `${name} ${rows.filter(KINDS[name]).length}`);
        setAttribute(chip, "aria-pressed", String(name === kind));
    }
    table.show(rows.filter(fits));
}

function choose(name) {
    kind = Object.hasOwn(KINDS, name) ? name : "all";
    remember("workers", kind === "all" ? "" : kind);
    draw();
}

/* What became of each since the last look. A run of a scheduled worker is no news, but its end may
 * be. */
function tellChanges() {
    const now = new Map(rows.map((row) => [row.id, row]));

    for (const [id, row] of states ? now : []) {
        const before = states.get(id), bad = isTrouble(row);

        if (!before)
            say(`${label(row)}: new, ${word(row)}`);
        else if (bad && !isTrouble(before))
            say(`${label(row)}: ${word(row)}, ${lastExit(row)}`, "bad");
        else if (!bad && isTrouble(before))
            say(`${label(row)}: well again, ${word(row)}`, "good");
        else if (row.restarts > before.restarts && row.state === "online" && failed(row))
            say(`${label(row)}: started again, ${lastExit(row)}`);
        else if (before.state !== row.state && !row.next_run)
            say(`${label(row)}: ${word(row)}`);
    }
    for (const [id, row] of states ?? [])
        if (!now.has(id))
            say(`${label(row)}: gone from the fleet`);
    states = now;
}

export const fleet = {
    section: find("#fleet"),
    path: () => "api/workers",
    take(answer) {
        /* Trouble first, else as the manifest has them. */
        rows = [...answer.workers].sort((a, b) => isTrouble(b) - isTrouble(a));
        tellChanges();
        draw();
    },
    open(soon) {
        changed = soon;
        kind = Object.hasOwn(KINDS, recall("workers")) ? recall("workers") : "all";
        words.value = recall("filter");
        words.addEventListener("input", () => {
            remember("filter", words.value);
            draw();
        });
        find("#fleet-kinds").append(...Object.values(chips));
    },
    search() {
        words.focus();
        words.select();
    },
    choose,
};
