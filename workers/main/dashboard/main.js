/* The page: three feeds, what they fill, and whether they flow. */
import { Refusal } from "./api.js";
import { find, setHidden, setText } from "./dom.js";
import { Feed } from "./feed.js";
import { fleet } from "./fleet.js";
import { clock } from "./format.js";
import { glance } from "./glance.js";
import { jobsList } from "./jobs.js";
import { say } from "./news.js";
import { queues } from "./queues.js";

const link = find("#link"), trouble = find("#trouble"), pause = find("#pause");

let goneSince = null, paused = false, lastTaken = "";

/* --- whether the feeds flow */

const isGone = (error) => Boolean(error) && !(error instanceof Refusal);

function tellLink() {
    const errors = feeds.map((feed) => feed.error).filter(Boolean);
    const gone = errors.find(isGone);
    const locked = errors.find((error) => error.status === 401);
    let state = "live", words = `Live, ${lastTaken}`;

    if (gone && !goneSince)
        goneSince = clock();
    else if (!gone && goneSince) {
        goneSince = null;
        say("The gateway answers again.", "good");
    }
    if (paused)
        [state, words] = ["paused", `Paused, ${lastTaken}`];
    if (gone)
        [state, words] = ["gone", `No answer since ${goneSince}`];
    link.dataset.link = state;
    setText(link, words);
    document.body.classList.toggle("stale", Boolean(gone || locked));
    setText(trouble, gone
        ? `The gateway does not answer since ${goneSince}: what is shown is of ${lastTaken ||
            "nothing yet"}. Trying again.`
        : locked ? "The token is not valid any more: reload the page to enter the new one." : "");
    setHidden(trouble, !gone && !locked);
}

/* A part that the gateway has no news of says why, and shows what it had. */
function feedOf(part, take = part.take) {
    const refusal = find(".refusal", part.section);

    return new Feed({
        path: part.path,
        take(answer) {
            lastTaken = clock();
            take(answer);
            setHidden(refusal, true);
            setText(refusal, "");
            tellLink();
            /* What answers one answers all. */
            feeds.filter((feed) => isGone(feed.error)).forEach((feed) => feed.now());
        },
        missed(error) {
            if (error instanceof Refusal && error.status !== 401) {
                setText(refusal, error.message);
                setHidden(refusal, false);
            }
            tellLink();
        },
    });
}

const workers = feedOf(fleet, (answer) => {
    fleet.take(answer);
    glance.takeWorkers(answer);
});
const depths = feedOf(queues, (answer) => {
    queues.take(answer);
    jobsList.offer(answer.queues.map(({ queue }) => queue));
    glance.takeQueues(answer);
});
const jobs = feedOf(jobsList);
const feeds = [workers, depths, jobs];

/* --- when they flow */

function flow() {
    for (const feed of feeds)
        if (paused || document.hidden)
            feed.stop();
        else
            feed.start();
}

pause.addEventListener("click", () => {
    paused = !paused;
    pause.setAttribute("aria-pressed", String(paused));
    setText(pause, paused ? "Resume" : "Pause");
    tellLink();
    flow();
});
document.addEventListener("visibilitychange", flow);
addEventListener("online", flow);

document.addEventListener("keydown", (event) => {
    const isTyping = event.target.closest("input, select, textarea, dialog");

    if (event.key !== "/" || isTyping || event.ctrlKey || event.metaKey || event.altKey)
        return;
    event.preventDefault();
    fleet.search();
});

glance.open();
fleet.open(() => workers.now());
jobsList.open(() => {
    jobs.now();
    depths.now();
});
queues.open((queue) => {
    jobsList.choose(queue, "dead");
    find("#jobs").scrollIntoView();
    find("#jobs-queue").focus();
});
flow();
