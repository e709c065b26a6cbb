/*
 * One question, asked again and again: a while after each answer, later and later while there is
 * none, and not at all while nobody looks.
 */
import { ask } from "./api.js";

const EVERY_MS = 2000, RETRY_MS = 1000, RETRY_MS_MAX = 8000;

export class Feed {
    #timer = 0;
    #retryMs = RETRY_MS;
    #stop = null; /* ends the question under way */

    /* path() is where to ask, take(answer) gets it, missed(error) is told why there is none. */
    constructor({ path, take, missed }) {
        Object.assign(this, { path, take, missed, error: null, flows: false });
    }

    start() {
        this.flows = true;
        this.now();
    }

    stop() {
        this.flows = false;
        this.#drop();
    }

    /* Asks now, once where it does not flow; the answer to an older question is not waited for. */
    async now() {
        const stop = new AbortController();

        this.#drop();
        this.#stop = stop;
        try {
            const answer = await ask(this.path(), stop.signal);

            if (!stop.signal.aborted)
                this.#took(answer);
        } catch (error) {
            if (!stop.signal.aborted)
                this.#failed(error);
        }
        if (this.flows && !stop.signal.aborted)
            this.#timer = setTimeout(() => this.now(), this.error ? this.#retryMs : EVERY_MS);
    }

    #drop() {
        clearTimeout(this.#timer);
        this.#stop?.abort();
    }

    #took(answer) {
        this.error = null;
        this.#retryMs = RETRY_MS;
        this.take(answer);
    }

    #failed(error) {
        this.#retryMs = this.error ? Math.min(2 * this.#retryMs, RETRY_MS_MAX) : RETRY_MS;
        this.error = error;
        this.missed(error);
    }
}
