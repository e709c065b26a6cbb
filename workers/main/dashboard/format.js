/* Figures as a person reads them. What is not known is a dash. */

export const NONE = "–";

const SECOND = 1000, MINUTE = 60 * SECOND, HOUR = 60 * MINUTE, DAY = 24 * HOUR;

/* The two largest units: "3d 4h", "12m 5s", "850ms". */
export function duration(ms) {
    const whole = Math.floor;

    if (ms === null || ms === undefined)
        return NONE;
    if (ms < SECOND)
        return `${whole(ms)}ms`;
    if (ms < MINUTE)
        return `${whole(ms / SECOND)}s`;
    if (ms < HOUR)
        return `${whole(ms / MINUTE)}m ${whole(ms % MINUTE / SECOND)}s`;
    if (ms < DAY)
        return `${whole(ms / HOUR)}h ${whole(ms % HOUR / MINUTE)}m`;
    return `${whole(ms / DAY)}d ${whole(ms % DAY / HOUR)}h`;
}

/* Instants are RFC 3339 texts. */
export function since(instant) {
    return instant ? `${duration(Math.max(0, Date.now() - Date.parse(instant)))} ago` : NONE;
}

export function until(instant) {
    if (!instant)
        return NONE;
    const ms = Date.parse(instant) - Date.now();

    return ms > 0 ? `in ${duration(Math.ceil(ms / SECOND) * SECOND)}` : "now";
}

export const local = (instant) => instant ? new Date(instant).toLocaleString() : "";

export const clock = () => new Date().toLocaleTimeString();

export function bytes(count) {
    const units = ["B", "KiB", "MiB", "GiB", "TiB"];
    let i = 0;

    if (count === null || count === undefined)
        return NONE;
    for (; count >= 1024 && i < units.length - 1; i++)
        count /= 1024;
    return `${count < 10 && i ? count.toFixed(1) : Math.round(count)} ${units[i]}`;
}

export function percent(value) {
    return value === null || value === undefined ? NONE : `${value.toFixed(1)} %`;
}

/* An estimate is marked as opsctl queues marks it. */
export function count(value, estimated = false) {
    if (value === null || value === undefined)
        return NONE;
    return (estimated ? "~" : "") + value.toLocaleString("en");
}
