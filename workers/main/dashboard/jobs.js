/* The jobs of a queue and a state: what happened to each, and another try. */
import { order } from "./api.js";
import { action, busy, hinted, opening, pill } from "./columns.js";
import { arrange, element, find, setHidden } from "./dom.js";
import { NONE, local, since, until } from "./format.js";
import { recall, remember } from "./memory.js";
import { say } from "./news.js";
import { sure } from "./question.js";
import { Table } from "./table.js";

const TONES = { available: "calm", running: "busy", done: "good", dead: "bad", cancelled: "" };
const SHOWN = 100;

const queue = find("#jobs-queue"), state = find("#jobs-state"), all = find("#jobs-retry-all");
const older = find("#jobs-older");
const isOver = (job) => job.state === "dead" || job.state === "cancelled";

let changed = () => {};
let jobs = [];

function when(job) {
    if (job.finished_at)
        return since(job.finished_at);
    if (job.state === "running")
        return `for ${since(job.started_at).replace(" ago", "")}`;
    return Date.parse(job.run_at) > Date.now() ? until(job.run_at) : `due ${since(job.run_at)}`;
}

const detail = (job) => [
    ["Last error", job.last_error],
    ["Attempts", `${job.attempt} of ${job.max_attempts}`],
    ["Bot", job.bot],
    ["Group", job.group_key],
    ["Dedup key", job.dedup_key],
    ["Priority", job.priority],
    ["Created", local(job.created_at)],
    ["Due", local(job.run_at)],
    ["Started", local(job.started_at)],
    ["Finished", local(job.finished_at)],
    ["Payload and all errors", `opsctl jobs show ${job.id}`],
];

/* Returns whether it went. */
async function putBack(job) {
    try {
        await order(`api/jobs/${job.id}/retry`);
        return true;
    } catch (error) {
        say(`job ${job.id}: not retried: ${error.message}`, "bad");
        return false;
    }
}

async function retry(job, button) {
    await busy(button, async () => {
        if (await putBack(job))
            say(`job ${job.id} of ${job.queue}: put back, to be tried again`, "good");
    });
    changed();
}

async function retryAll() {
    const those = jobs.filter(isOver);
    let went = 0;

    if (!await sure(`Retry ${those.length} jobs?`,
        "Each is put back into its queue, and tried anew as often as a new one.", "Retry"))
        return;
    await busy(all, async () => {
        for (const job of those)
            went += await putBack(job);
        say(`${went} of ${those.length} jobs put back`, went === those.length ? "good" : "bad");
    });
    changed();
}

const table = new Table(find("#jobs .rows"), {
    caption: "Jobs",
    empty: "No job is in this state.",
    key: (job) => job.id,
    detail,
    columns: [
        opening("Job", (job) => job.id, () => "# "),
        { title: "Queue", sort: (job) => job.queue, text: (job) => job.queue },
        { title: "Kind", sort: (job) => job.kind, text: (job) => job.kind },
        pill("State", (job) => job.state, (job) => TONES[job.state] ?? ""),
        { title: "Attempts", number: true, sort: (job) => job.attempt,
            text: (job) => `${job.attempt}/${job.max_attempts}` },
        hinted("When", when, (job) => local(job.finished_at ?? job.started_at ?? job.run_at),
            { number: true }),
        hinted("Last error", (job) => job.last_error ?? NONE, (job) => job.last_error,
            { class: "words" }),
        action("Retry", { where: isOver, act: retry, label: (job) => `Retry job ${job.id}` }),
    ],
});

/* The queues to choose from are those there are, and the one that was chosen. */
function offer(names) {
    const wanted = [...new Set([...names, queue.value].filter(Boolean))].sort();
    const known = new Map([...queue.options].map((option) => [option.value, option]));

    arrange(queue, ["", ...wanted].map(
        (name) => known.get(name) ?? element("option", { value: name }, name)));
}

function choose(name, wanted) {
    offer([...[...queue.options].map((option) => option.value), name]);
    queue.value = name;
    state.value = wanted;
    remember("queue", name);
    remember("state", wanted === "dead" ? "" : wanted || "any");
    changed();
}

export const jobsList = {
    section: find("#jobs"),
    path() {
        const words = new URLSearchParams({ limit: SHOWN });

        if (queue.value)
            words.set("queue", queue.value);
        if (state.value)
            words.set("state", state.value);
        return `api/jobs?${words}`;
    },
    take(answer) {
        jobs = answer.jobs;
        table.show(jobs);
        setHidden(all, jobs.filter(isOver).length < 2);
        setHidden(older, answer.complete);
    },
    open(soon) {
        const known = [...state.options].map((option) => option.value);
        const wanted = recall("state");

        changed = soon;
        state.value = wanted === "any" ? "" : wanted && known.includes(wanted) ? wanted : "dead";
        offer([recall("queue")]);
        queue.value = recall("queue");
        for (const input of [queue, state])
            input.addEventListener("change", () => choose(queue.value, state.value));
        all.addEventListener("click", retryAll);
    },
    offer,
    choose,
};
