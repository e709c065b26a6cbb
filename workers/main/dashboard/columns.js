/* Kinds of columns that tables share. */
import { element, setAttribute, setHidden, setText } from "./dom.js";

/* A name that opens the row's details. aside(row) goes before it, muted. */
export function opening(title, name, aside) {
    return {
        title,
        sort: name,
        make(cell, entry, toggle) {
            const button = element("button", { type: "button", class: "open",
                "aria-expanded": "false" }, element("span", { class: "aside" }),
            element("span", {}));

            button.addEventListener("click", () => {
                button.setAttribute("aria-expanded", String(toggle()));
            });
            cell.append(button);
        },
        draw(cell, row) {
            setText(cell.firstChild.firstChild, aside(row));
            setText(cell.firstChild.lastChild, String(name(row)));
        },
    };
}

/* A word on a coloured ground; tone(row) says which. */
export function pill(title, word, tone) {
    return {
        title,
        class: "state",
        sort: word,
        make(cell) {
            cell.append(element("span", { class: "pill" }));
        },
        draw(cell, row) {
            setText(cell.firstChild, word(row));
            setAttribute(cell.firstChild, "data-tone", tone(row));
        },
    };
}

/* A text with a longer one for the pointer that rests on it. */
export function hinted(title, text, hint, more = {}) {
    return {
        title,
        ...more,
        draw(cell, row) {
            setText(cell, text(row));
            setAttribute(cell, "title", hint(row) || null);
        },
    };
}

/* A button that does something to the row; where(row): whether there is something to do. */
export function action(verb, { where, label, act }) {
    return {
        title: ` ${verb}`,
        class: "action",
        make(cell, entry) {
            const button = element("button", { type: "button" }, verb);

            button.addEventListener("click", () => act(entry.row, button));
            cell.append(button);
        },
        draw(cell, row) {
            setHidden(cell.firstChild, !where(row));
            setAttribute(cell.firstChild, "aria-label", label(row));
        },
    };
}

/* Keeps a button from a second click while what it started is under way. It stays enabled, or it
 * would lose the focus. */
export async function busy(button, work) {
    if (button.getAttribute("aria-busy") === "true")
        return;
    button.setAttribute("aria-busy", "true");
    button.setAttribute("aria-disabled", "true");
    try {
        await work();
    } finally {
        button.removeAttribute("aria-busy");
        button.removeAttribute("aria-disabled");
    }
}
