/* Asks before something is done that is felt elsewhere. */
import { find } from "./dom.js";

const dialog = find("#question");
const [no, yes] = dialog.querySelectorAll("button");

let answer = () => {};

no.addEventListener("click", () => dialog.close());
yes.addEventListener("click", () => {
    answer(true);
    dialog.close();
});
/* By Escape, too. It comes a moment after the end, when the next question may be open. */
dialog.addEventListener("close", () => dialog.open || answer(false));

/* Resolves to whether the person wants it. */
export function sure(title, text, verb) {
    find("h2", dialog).textContent = title;
    find("p", dialog).textContent = text;
    yes.textContent = verb;
    dialog.showModal();
    yes.focus();
    return new Promise((resolve) => {
        answer = resolve;
    });
}
