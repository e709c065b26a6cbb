/* What happened while the page was open: shown for a moment, told to screen readers, and kept. */
import { element, find, setText } from "./dom.js";
import { clock } from "./format.js";

const KEPT = 50, SHOWN_MS = 8000;

const list = find("#news ol"), toast = find("#toast");
let timer = 0;

/* tone: "good", "bad" or "". */
export function say(text, tone = "") {
    const line = element("li", { "data-tone": tone }, element("time", {}, clock()), " ", text);

    list.prepend(line);
    while (list.children.length > KEPT)
        list.lastChild.remove();
    toast.dataset.tone = tone;
    setText(toast, text);
    clearTimeout(timer);
    timer = setTimeout(() => setText(toast, ""), SHOWN_MS);
}
