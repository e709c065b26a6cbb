/*
 * A table whose rows stay from one refresh to the next: neither the focus nor a selection is lost,
 * and only what changed is drawn.
 *
 *     columns   { title, number, class, sort(row), make(cell, entry, toggle), draw(cell, row) };
 *               without draw: text(row). A title that starts with a blank is for screen readers.
 *     key       key(row): what a row is known by
 *     detail    detail(row): pairs of name and text, shown when the first column's button asks
 *     tone      tone(row): "bad" where a row needs a person
 *
 * Roles are written out, since narrow screens show rows as cards, and a browser takes the role of
 * what is not displayed as a table any more.
 */
import { arrange, element, setAttribute, setHidden, setText } from "./dom.js";
import { NONE } from "./format.js";

export class Table {
    #entries = new Map();
    #sorted = null; /* { column, down } */
    #rows = [];

    constructor(place, { caption, empty, columns, ...rest }) {
        Object.assign(this, { columns, ...rest });
        this.body = element("tbody", { role: "rowgroup" });
        this.heads = columns.map((column) => this.#head(column));
        this.empty = element("p", { class: "empty" }, empty);
        place.append(
            element("table", { role: "table" },
                element("caption", { class: "unseen" }, caption),
                element("thead", { role: "rowgroup" },
                    element("tr", { role: "row" }, ...this.heads)),
                this.body),
            this.empty);
    }

    show(rows) {
        const entries = new Map();

        this.#rows = rows;
        for (const row of this.#inOrder(rows)) {
            const key = this.key(row), entry = this.#entries.get(key) ?? this.#entry();

            entries.set(key, entry);
            entry.row = row;
            this.#draw(entry);
        }
        this.#entries = entries;
        arrange(this.body, [...entries.values()].flatMap(
            (entry) => entry.more ? [entry.line, entry.more] : [entry.line]));
        setHidden(this.empty, rows.length > 0);
    }

    #head({ title, sort, number, class: name = "" }) {
        const button = element("button", { type: "button", class: "sort" }, title);
        const text = element("span", title.startsWith(" ") ? { class: "unseen" } : {}, title);
        const head = element("th", { role: "columnheader", scope: "col" }, sort ? button : text);

        head.className = number ? "number" : name;
        button.addEventListener("click", () => this.#sortBy(head, sort, number));
        return head;
    }

    /* Once up or down, as is of more use; then the other way; then as the rows come. */
    #sortBy(head, sort, number) {
        const now = this.#sorted?.sort === sort ? this.#sorted : null;

        if (!now)
            this.#sorted = { sort, down: Boolean(number), turns: 1 };
        else if (now.turns === 1)
            this.#sorted = { sort, down: !now.down, turns: 2 };
        else
            this.#sorted = null;
        for (const each of this.heads)
            each.removeAttribute("aria-sort");
        if (this.#sorted)
            head.setAttribute("aria-sort", this.#sorted.down ? "descending" : "ascending");
        this.show(this.#rows);
    }

    #inOrder(rows) {
        if (!this.#sorted)
            return rows;
        const { sort, down } = this.#sorted;
        const compare = (a, b) => typeof a === "string" ? a.localeCompare(b) : a - b;

        /* What is not known is last either way. */
        return [...rows].sort((left, right) => {
            const a = sort(left) ?? null, b = sort(right) ?? null;

            if (a === null || b === null)
                return (a === null) - (b === null);
            return down ? compare(b, a) : compare(a, b);
        });
    }

    #entry() {
        const entry = { line: element("tr", { role: "row" }), more: null, row: null };

        entry.cells = this.columns.map((column) => {
            const cell = element("td", { role: "cell", "data-title": column.title.trim() });

            cell.className = column.number ? "number" : column.class ?? "";
            column.make?.(cell, entry, () => this.#toggle(entry));
            return cell;
        });
        entry.line.append(...entry.cells);
        return entry;
    }

    #draw(entry) {
        setAttribute(entry.line, "data-tone", this.tone?.(entry.row) || null);
        this.columns.forEach((column, i) => {
            if (column.draw)
                column.draw(entry.cells[i], entry.row);
            else
                setText(entry.cells[i], column.text(entry.row));
            setAttribute(entry.cells[i], "data-none",
                entry.cells[i].textContent === NONE ? "" : null);
        });
        if (entry.more)
            this.#drawMore(entry);
    }

    #toggle(entry) {
        if (entry.more) {
            entry.more.remove();
            entry.more = null;
        } else {
            entry.list = element("dl");
            entry.more = element("tr", { role: "row", class: "more" },
                element("td", { role: "cell", colspan: this.columns.length }, entry.list));
            this.#drawMore(entry);
            entry.line.after(entry.more);
        }
        return Boolean(entry.more);
    }

    #drawMore(entry) {
        const pairs = this.detail(entry.row).filter(([, text]) => text);

        while (entry.list.children.length < pairs.length)
            entry.list.append(element("div", {}, element("dt"), element("dd")));
        while (entry.list.children.length > pairs.length)
            entry.list.lastChild.remove();
        pairs.forEach(([name, text], i) => {
            setText(entry.list.children[i].firstChild, name);
            setText(entry.list.children[i].lastChild, String(text));
        });
    }
}
