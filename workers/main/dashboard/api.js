/*
 * Requests to the gateway. Addresses are relative to the page, so that a proxy may serve it below
 * any path; credentials that somebody typed into the page's address are left out, as fetch() asks.
 */
const base = new URL(".", location.origin + location.pathname);

const ASK_MS = 8000, ORDER_MS = 95000; /* a restart may take 90 s (gateway.h) */

/* The gateway answered, and the answer is no: its own words say why. */
export class Refusal extends Error {
    constructor(status, words) {
        super(words);
        this.status = status;
    }
}

/* Nobody answered: whether an order was carried out is not known. */
class Silence extends Error {}

async function request(path, options) {
    let response, answer;

    try {
        response = await fetch(new URL(path, base), { cache: "no-store", ...options });
        answer = await response.json();
    } catch (error) {
        /* Something before the gateway may answer in its place, and not with JSON. */
        throw new Silence("no answer; it may have happened", { cause: error });
    }
    if (!response.ok)
        throw new Refusal(response.status, answer.error ?? `status ${response.status}`);
    return answer;
}

export function ask(path, signal) {
    return request(path, { signal: AbortSignal.any([signal, AbortSignal.timeout(ASK_MS)]) });
}

/* No other site can make a browser send this header, so none can give orders in our name. */
export function order(path) {
    return request(path, {
        method: "POST",
        headers: { "X-Requested-With": "dashboard" },
        signal: AbortSignal.timeout(ORDER_MS),
    });
}
