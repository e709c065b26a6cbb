#ifndef OPS_MONIT_VIEW_H
#define OPS_MONIT_VIEW_H
/*
 * The model on a terminal, by ncurses(3X): the fleet above, the lines of the selected worker below,
 * what can be typed in the last row.
 */
#include "monit_model.h"

/* Takes the terminal. Returns 0, or -ENOTTY when it is none, or one that ncurses does not know. */
int monit_view_open(void);

/* Gives it back as it was; nothing is done when it was not taken. */
void monit_view_close(void);

/* Gives it back as it was until it is drawn to again. */
void monit_view_lend(void);

void monit_view_draw(const struct monit *m);

/* How many workers there is room for: a page. */
long monit_view_page(void);

/* What a person typed. */
enum monit_key {
    MONIT_NOTHING, /* no more */
    MONIT_OTHER,   /* what means nothing here, or the terminal's new size */
    MONIT_UP = 256,
    MONIT_DOWN,
    MONIT_PAGE_UP,
    MONIT_PAGE_DOWN,
    MONIT_FIRST,
    MONIT_LAST,
    MONIT_ENTER,
    MONIT_ESCAPE,
    MONIT_ERASE,
};

/* The next key that waits, without waiting: an enum monit_key, or an ASCII character. */
int monit_view_key(void);

#endif
