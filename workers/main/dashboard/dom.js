/* Elements. Whatever comes from outside becomes text here, never markup. */

export const find = (selector, under = document) => under.querySelector(selector);

export function element(tag, attributes = {}, ...children) {
    const made = document.createElement(tag);

    for (const [name, value] of Object.entries(attributes))
        made.setAttribute(name, value);
    made.append(...children);
    return made;
}

/* What stays as it is is not touched: a selection in it survives, and no screen reader starts. */
export function setText(node, text) {
    if (node.textContent !== text)
        node.textContent = text;
}

export function setAttribute(node, name, value) {
    if (value === null)
        node.removeAttribute(name);
    else if (node.getAttribute(name) !== value)
        node.setAttribute(name, value);
}

export function setHidden(node, hidden) {
    if (node.hidden !== hidden)
        node.hidden = hidden;
}

/* Puts nodes into a parent in this order, moving only those that are elsewhere. */
export function arrange(parent, nodes) {
    let place = parent.firstChild;

    for (const node of nodes) {
        if (node === place)
            place = place.nextSibling;
        else
            parent.insertBefore(node, place);
    }
    while (place) {
        const next = place.nextSibling;

        place.remove();
        place = next;
    }
}
