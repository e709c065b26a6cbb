/*
 * Which request of an import comes next.
 */
#include "import_paging.h"

enum {
    SIGN_INS_MAX = 2, /* a token that is refused is renewed so many times */
    /* The span of a list is fixed, so it grows by what machines report late, and not by much. */
    GROWTH = 2,
    GROWTH_PAGES = 10,
};

struct paging paging_begin(int pages_max, bool sign_in, bool can_sign_in)
{
    return (struct paging){
        .page = 1,
        .pages_most = pages_max,
        .sign_in = sign_in,
        .can_sign_in = can_sign_in,
    };
}

static enum paging_step take_page(struct paging *paging, const struct vendista_answer *answer)
{
    if (paging->page == 1 && answer->pages > 0 &&
        answer->pages < (paging->pages_most - GROWTH_PAGES) / GROWTH)
        paging->pages_most = (int)answer->pages * GROWTH + GROWTH_PAGES;
    if (!answer->more)
        return PAGING_LAST;
    if (paging->page >= paging->pages_most)
        return PAGING_ENDLESS;
    paging->page++;
    return PAGING_PAGE;
}

/* A page that is refused means a token that has run out; a refused sign-in, wrong credentials. */
static enum paging_step take_denied(struct paging *paging)
{
    if (paging->sign_in || !paging->can_sign_in)
        return PAGING_REFUSED;
    if (paging->sign_ins == SIGN_INS_MAX)
        return PAGING_TOKENS_REFUSED;
    paging->sign_ins++;
    paging->sign_in = true;
    return PAGING_AGAIN;
}

enum paging_step paging_take(struct paging *paging, const struct vendista_answer *answer,
                             uint32_t random)
{
    int64_t pause_ms;

    if (answer->kind == VENDISTA_FAILED) {
        pause_ms = vendista_retry_ms(answer, ++paging->tries, random);
        paging->pause_ms = pause_ms < 0 ? 0 : pause_ms;
        return pause_ms < 0 ? PAGING_FAILED : PAGING_AGAIN;
    }
    paging->tries = 0;
    paging->pause_ms = 0;
    if (answer->kind == VENDISTA_UNPAID)
        return PAGING_UNPAID;
    if (answer->kind == VENDISTA_DENIED)
        return take_denied(paging);
    if (answer->kind == VENDISTA_PAGE)
        return take_page(paging, answer);
    paging->sign_in = false;
    return PAGING_TOKEN;
}
