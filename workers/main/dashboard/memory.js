/* Filters live in the page's address: they survive a reload, and a link can be sent to a
 * colleague. */

export const recall = (name) => new URLSearchParams(location.search).get(name) ?? "";

export function remember(name, value) {
    const words = new URLSearchParams(location.search);

    if (value)
        words.set(name, value);
    else
        words.delete(name);
    history.replaceState(null, "", `?${words}${location.hash}`);
}
