/* Asks before something is done that is felt elsewhere. */
import { find } from "./dom.js";

const dialog = find("#question");
const [no, yes] = dialog.querySelectorAll("button");

no.addEventListener("click", () => dialog.close("no"));
yes.addEventListener("click", () => dialog.close("yes"));

/* Resolves to whether the person wants it. */
export function sure(title, text, verb) {
    find("h2", dialog).textContent = title;
    find("p", dialog).textContent = text;
    yes.textContent = verb;
    dialog.returnValue = "no";
    dialog.showModal();
    yes.focus();
    return new Promise((resolve) => {
        dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"),
            { once: true });
    });
}
